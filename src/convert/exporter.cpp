#include "exporter.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "medseg/image/codec.h"

namespace medseg {

namespace fs = std::filesystem;

Exporter::Exporter(const fs::path& manifest, fs::path folder)
    : manifest_(Manifest::read(manifest)), folder_(std::move(folder)) {
  std::map<std::string, std::size_t> known;
  std::set<std::string> names;
  for (const auto& record : manifest_.records()) {
    const std::string key = picture_key(record) + " " + record.window + " " + record.split;
    const auto [it, is_new] = known.emplace(key, pictures_.size());
    if (is_new) {
      ExportPicture picture;
      const std::string word = file_word(record.id);
      picture.name = word;
      for (int n = 2; !names.insert(picture.name).second; ++n) picture.name = str_cat(word, "_", n);
      picture.split = record.split;
      picture.modality = record.modality;
      picture.subject = record.subject;
      const Image image = load_image(manifest_, record);
      picture.width = image.width;
      picture.height = image.height;
      pictures_.push_back(std::move(picture));
    }
    pictures_[it->second].records.push_back(&record);
  }
}

std::vector<NamedMask> Exporter::masks_by_label(const ExportPicture& picture) const {
  std::map<std::string, Mask> masks;
  for (const Record* record : picture.records) {
    for (const auto& [id, source] : record->masks) {
      Mask mask = load_mask(manifest_, *record, {id}, picture.width, picture.height);
      const auto [it, is_new] = masks.emplace(source.label, mask);
      if (!is_new) it->second = mask_union(it->second, mask);
    }
  }
  std::vector<NamedMask> all;
  for (auto& [label, mask] : masks) all.push_back({label, std::move(mask)});
  return all;
}

Mask Exporter::mask_of(const ExportPicture& picture, const Record& record,
                       const std::vector<std::string>& ids) const {
  return load_mask(manifest_, record, ids, picture.width, picture.height);
}

void Exporter::write_image(const ExportPicture& picture, const std::string& name) {
  write_png(folder_ / name, load_image(manifest_, *picture.records.front()));
  ++summary_.pictures;
}

void Exporter::write_mask(const Mask& mask, const std::string& name) {
  write_png(folder_ / name, mask);
  ++summary_.masks;
}

void Exporter::write_grey(const Image& image, const std::string& name, std::int64_t masks) {
  write_png(folder_ / name, image);
  summary_.masks += masks;
}

void Exporter::write_text(const std::string& name, const std::string& text) {
  write_file(folder_ / name, text);
}

std::string Exporter::file_word(const std::string& text, char other) {
  std::string word;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    word += std::isalnum(byte) != 0 || c == '-' || c == '.' ? c : other;
  }
  return word.empty() || word.front() == '.' ? "x" + word : word;
}

void Exporter::skip(const std::string& reason, const std::string& item) {
  for (auto& one : summary_.skipped) {
    if (one.reason != reason) continue;
    ++one.count;
    return;
  }
  summary_.skipped.push_back({reason, 1, item});
}

ExportSummary export_manifest(const fs::path& manifest, const std::string& format,
                              const fs::path& out) {
  const Format& row = format_named(format);
  if (!row.write) throw ConfigError("--to", str_cat(row.name, " is only read"));
  refuse_foreign_folder(out);
  AtomicFolder folder(out);
  Exporter exporter(manifest, folder.path());
  row.write(exporter);
  folder.commit();
  return exporter.take();
}

void Exporter::write_list_of_each_split(const AddItems& add) {
  std::map<std::string, nlohmann::ordered_json> of_split;
  for (const auto& picture : pictures_) {
    auto& list = of_split[picture.split.empty() ? "all" : picture.split];
    if (list.is_null()) list = nlohmann::ordered_json::array();
    const std::string image = "images/" + picture.name + ".png";
    write_image(picture, image);
    add(picture, image, list);
  }
  for (const auto& [split, list] : of_split) write_text(split + ".json", list.dump(1) + "\n");
}

}  // namespace medseg
