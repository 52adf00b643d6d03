#include "medseg/demo/demo.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <map>
#include <sstream>

#include "dialogues.h"
#include "medseg/base/file.h"
#include "medseg/base/progress.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/codec.h"
#include "scans.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// What all records of one slice share.
struct SliceFiles {
  Record record;                            ///< without id, phrasing, absent, turns
  std::map<std::string, MaskSource> masks;  ///< by label
};

std::string slug(std::string label) {
  std::replace(label.begin(), label.end(), ' ', '-');
  return label;
}

std::string slice_id(const DemoScan& scan, std::int64_t k) {
  std::ostringstream text;
  text << scan.name << "-" << std::setw(3) << std::setfill('0') << k;
  return text.str();
}

/// Writes the image and the masks of one slice.
SliceFiles write_slice(const DemoScan& scan, std::int64_t k, const DemoSlice& slice,
                       const fs::path& out) {
  SliceFiles files;
  Record& record = files.record;
  record.image = "images/" + slice.id + ".png";
  record.modality = scan.modality;
  record.subject = scan.subject;
  record.split = slice.split;
  record.split_unit = is_slab(scan) ? "slab" : "";
  record.source = str_cat(scan.source, ", axial slice ", k);
  record.licence = scan.licence;
  record.window = window_text(scan.window);
  const auto spacing = scan.image.spacing_mm();
  record.spacing_mm = {{std::round(spacing[0] * 1e4) / 1e4, std::round(spacing[1] * 1e4) / 1e4}};
  write_file(out / record.image, encode_png(axial_slice(scan.image, k, scan.window)));
  for (const auto& structure : scan.structures) {
    const auto& present = slice.content.present;
    if (std::find(present.begin(), present.end(), structure.label) == present.end()) continue;
    MaskSource& mask = files.masks[structure.label];
    mask.label = structure.label;
    mask.kind = structure.kind;
    mask.file = "masks/" + slice.id + "-" + slug(structure.label) + ".png";
    write_file(out / mask.file, encode_png(axial_mask(structure.voxels, k)));
  }
  return files;
}

Record record_of(const DemoDialogue& dialogue, const SliceFiles& files) {
  Record record = files.record;
  record.id = dialogue.id;
  record.phrasing = dialogue.phrasing;
  std::map<std::string, std::string> id_of_label;
  for (const auto& turn : dialogue.turns) {
    RecordTurn written{turn.question, turn.answer, {}, true};
    for (const auto& label : turn.targets) {
      const auto [it, is_new] = id_of_label.emplace(label, str_cat("m", id_of_label.size()));
      if (is_new) record.masks[it->second] = files.masks.at(label);
      written.masks.push_back({it->second});
    }
    if (!turn.absent.empty()) record.absent.push_back(turn.absent);
    record.turns.push_back(std::move(written));
  }
  return record;
}

}  // namespace

void build_demo(const DemoOptions& options) {
  refuse_foreign_folder(options.out, [](const std::string& name) {
    return name == "images" || name == "masks" || name == "manifest.jsonl";
  });
  AtomicFolder folder(options.out);
  fs::create_directories(folder.path() / "images");
  fs::create_directories(folder.path() / "masks");
  std::vector<DemoSlice> slices;
  std::vector<SliceFiles> files;
  const auto names = demo_scan_names();
  Progress progress("slices and masks", static_cast<std::int64_t>(names.size()));
  for (std::size_t n = 0; n < names.size(); ++n) {
    progress.update(static_cast<std::int64_t>(n), names[n]);
    const DemoScan scan = load_demo_scan(names[n], options.assets);
    const auto contents = slice_contents(scan);
    for (std::int64_t k = 0; k < scan.image.size[2]; ++k) {
      const auto& content = contents[static_cast<std::size_t>(k)];
      const std::string split = split_of_slice(scan, k);
      if (split.empty() || content.present.empty()) continue;
      slices.push_back({slice_id(scan, k), split, content});
      files.push_back(write_slice(scan, k, slices.back(), folder.path()));
    }
  }
  progress.update(static_cast<std::int64_t>(names.size()));
  progress.finish();
  std::string lines;
  for (const auto& dialogue : plan_dialogues(slices, options.seed)) {
    lines += to_json_line(record_of(dialogue, files[dialogue.slice])) + "\n";
  }
  write_file(folder.path() / "manifest.jsonl", lines);
  folder.commit();
}

}  // namespace medseg
