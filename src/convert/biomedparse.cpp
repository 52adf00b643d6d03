// BiomedParse's names: train/IMG_MODALITY_SITE.png, train_mask/IMG_MODALITY_SITE_TARGET.png with
// '+' for blanks in TARGET; the same for test.
// BiomedParse README.md and datasets/create-customer-datasets
#include <algorithm>
#include <cctype>
#include <map>

#include "exporter.h"
#include "formats.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "source_files.h"

namespace medseg {
namespace {

const std::vector<std::pair<std::string, std::string>> kModalities = {{"CT", "ct"},
                                                                      {"MRI", "mr"},
                                                                      {"MR", "mr"},
                                                                      {"ultrasound", "us"},
                                                                      {"X-Ray", "xray"},
                                                                      {"xray", "xray"},
                                                                      {"fundus", "fundus"},
                                                                      {"endoscope", "endoscopy"},
                                                                      {"pathology", "pathology"},
                                                                      {"OCT", "oct"},
                                                                      {"dermoscopy", "dermoscopy"}};

std::string modality_of(const std::string& word) {
  for (const auto& [name, modality] : kModalities) {
    if (word == name || word.starts_with(name + "-")) return modality;
  }
  return "";
}

/// The case behind a slice's name: "amos_0004_75" without its last number. A name with one number
/// ("case-7") is a case itself.
std::string case_of(const std::string& image) {
  auto at = image.find_last_not_of("0123456789");
  if (at == std::string::npos || at + 1 == image.size()) return image;
  while (at > 0 && (image[at] == '_' || image[at] == '-')) --at;
  std::string name = image.substr(0, at + 1);
  if (name.find_first_of("0123456789") == std::string::npos) return image;
  for (const char* word : {"slice", "frame", "x", "y", "z"}) {
    const std::string tail = std::string("_") + word;
    if (name.ends_with(tail)) name.erase(name.size() - tail.size());
  }
  return name;
}

void read_set(const SourceFiles& files, const std::string& folder, const std::string& set,
              Reading& reading) {
  std::map<std::string, Draft> drafts;  // by stem
  std::vector<std::string> stems;
  for (const auto& name : files.names()) {
    if (!name.starts_with(folder + set + "/") || !is_picture_name(name)) continue;
    const auto parts = split(stem_of(name), '_');
    Draft draft;
    draft.record.id = stem_of(name);
    draft.record.image = files.root() / name;
    draft.record.split = set;
    if (parts.size() >= 3) {
      draft.record.modality = modality_of(parts[parts.size() - 2]);
      draft.record.subject = case_of(join({parts.begin(), parts.end() - 2}, "_"));
    }
    drafts.emplace(stem_of(name), std::move(draft));
  }
  for (const auto& name : files.names()) {
    if (!name.starts_with(folder + set + "_mask/") || !is_picture_name(name)) continue;
    const std::string stem = stem_of(name);
    // The longest image name that begins it.
    auto found = drafts.upper_bound(stem);
    bool placed = false;
    while (!placed && found != drafts.begin()) {
      --found;
      if (stem.starts_with(found->first + "_")) {
        std::string label = stem.substr(found->first.size() + 1);
        std::replace(label.begin(), label.end(), '+', ' ');
        add_mask_file(found->second, files.root() / name, {{{}, label}}, reading);
        placed = true;
      } else if (!found->first.empty() && found->first[0] != stem[0]) {
        break;
      }
    }
    if (!placed) reading.skip("a mask without its image", name);
  }
  for (auto& [stem, draft] : drafts) reading.add(std::move(draft));
}

}  // namespace

void read_biomedparse(Reading& reading) {
  for (const auto& root : reading.options().sources) {
    const SourceFiles files(root, reading.options().out);
    std::map<std::string, bool> folders;
    for (const auto& name : files.names()) {
      for (const char* set : {"train", "val", "test"}) {
        const auto at = name.rfind(std::string(set) + "_mask/");
        if (at != std::string::npos && (at == 0 || name[at - 1] == '/'))
          folders[name.substr(0, at)] = true;
      }
    }
    for (const auto& [folder, yes] : folders)
      for (const char* set : {"train", "val", "test"}) read_set(files, folder, set, reading);
  }
  // A structure is looked for where its data set (the first word of the names) ever draws it in an
  // image of the same kind.
  std::map<std::string, std::map<std::string, bool>> drawn;
  const auto kind = [](const Draft& draft) {
    return draft.record.id.substr(0, draft.record.id.find('_')) + "/" + draft.record.modality;
  };
  for (const auto& draft : reading.drafts())
    for (const auto& [id, mask] : draft.record.masks) drawn[kind(draft)][mask.label] = true;
  for (auto& draft : reading.drafts()) {
    draft.looked_for.clear();
    for (const auto& [label, yes] : drawn[kind(draft)]) draft.looked_for.push_back(label);
  }
  reading.note(
      "subjects: names of images without their last of several numbers; check them if slices of "
      "one "
      "person are named otherwise");
}

void write_biomedparse(Exporter& exporter) {
  for (const auto& picture : exporter.pictures()) {
    const std::string set = picture.split == "test" ? "test" : "train";
    std::string modality = "unknown";
    for (const auto& [name, ours] : kModalities) {
      if (ours == picture.modality) {
        modality = name;
        break;
      }
    }
    std::string word = exporter.file_word(picture.name, '-');
    const std::string stem = word + "_" + modality + "_unknown";
    exporter.write_image(picture, set + "/" + stem + ".png");
    for (const auto& one : exporter.masks_by_label(picture)) {
      exporter.write_mask(
          one.mask, set + "_mask/" + stem + "_" + exporter.file_word(one.label, '+') + ".png");
    }
  }
  exporter.note("BiomedParse has no validation split: val stands in train; sites are \"unknown\"");
}

}  // namespace medseg
