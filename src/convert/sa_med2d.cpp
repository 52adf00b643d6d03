// SA-Med2D-20M: images/, masks/ (one PNG a class and instance), SAMed2D_v1_class_mapping_id.json.
// OpenGVLab/SAM-Med2D README.md; the data set's page
#include "sa_med2d.h"

#include <algorithm>
#include <set>

#include "exporter.h"
#include "foreign_json.h"
#include "formats.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

std::vector<std::string> parts_of(const std::string& stem) {
  std::vector<std::string> parts;
  std::size_t at = 0;
  for (auto next = stem.find("--"); next != std::string::npos; next = stem.find("--", at)) {
    parts.push_back(stem.substr(at, next - at));
    at = next + 2;
  }
  parts.push_back(stem.substr(at));
  return parts;
}

std::string modality_of(const std::string& token) {
  const std::string word = token.substr(0, token.find('_'));
  if (word == "x") return "xray";
  if (word == "x-ray" || word == "xray") return "xray";
  if (word == "ultrasound") return "us";
  if (word == "mri") return "mr";
  return word;
}

bool is_class(const std::string& text) {
  return !text.empty() && text.size() <= 8 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

void add_classes(std::map<std::string, std::string>& classes, const std::string& prefix,
                 const JsonItem& object) {
  for (const auto& [key, value] : object.entries()) {
    if (value.json().is_object()) {
      add_classes(classes, key + "/", value);
    } else if (is_class(key)) {
      classes[prefix + key] = value.text();
    } else {
      std::string id = value.text_or_number();
      while (id.size() < 4) id.insert(id.begin(), '0');
      classes[prefix + id] = key;
    }
  }
}

}  // namespace

SaMed2dName sa_med2d_name(const std::string& file) {
  const auto parts = parts_of(stem_of(file));
  SaMed2dName name;
  if (parts.size() < 4 || parts.size() > 5) return name;
  name.image = join({parts.begin(), parts.begin() + 4}, "--");
  name.modality = modality_of(parts[0]);
  name.set = parts[1];
  name.subject = parts[1] + "-" + parts[2];
  if (parts.size() == 5) name.klass = parts[4].substr(0, parts[4].find('_'));
  return name;
}

std::map<std::string, std::string> sa_med2d_classes(const SourceFiles& files) {
  std::map<std::string, std::string> classes;
  for (const auto& name : files.names_ending("class_mapping_id.json")) {
    const auto path = files.root() / name;
    const auto json = read_foreign_json(path);
    add_classes(classes, "", JsonItem(json, path.string() + ": "));
  }
  return classes;
}

std::string sa_med2d_label(const std::map<std::string, std::string>& classes,
                           const SaMed2dName& name) {
  for (const auto& key : {name.set + "/" + name.klass, name.klass}) {
    const auto found = classes.find(key);
    if (found == classes.end()) continue;
    std::string label = found->second;
    std::replace(label.begin(), label.end(), '_', ' ');
    return label;
  }
  return "class " + name.klass;
}

void read_sa_med2d(Reading& reading) {
  for (const auto& root : reading.options().sources) {
    const SourceFiles files(root, reading.options().out);
    const auto classes = sa_med2d_classes(files);
    if (classes.empty())
      reading.note("no *class_mapping_id.json: structures are named by their numbers");
    std::map<std::string, Draft> drafts;
    std::map<std::string, std::set<std::string>> drawn;  // by set
    std::map<std::string, std::string> set_of;
    for (const auto& file : files.names_ending(".png")) {
      const auto name = sa_med2d_name(file);
      if (name.image.empty() || !name.klass.empty()) continue;
      Draft draft;
      draft.record.id = name.image;
      draft.record.image = files.root() / file;
      draft.record.modality = name.modality;
      draft.record.subject = name.subject;
      drafts.emplace(name.image, std::move(draft));
      set_of[name.image] = name.set;
    }
    for (const auto& file : files.names_ending(".png")) {
      const auto name = sa_med2d_name(file);
      if (name.image.empty() || name.klass.empty()) continue;
      const auto draft = drafts.find(name.image);
      if (draft == drafts.end()) {
        reading.skip("a mask without its image", file);
        continue;
      }
      const std::string label = sa_med2d_label(classes, name);
      add_mask_file(draft->second, files.root() / file, {{{}, label}}, reading);
      drawn[name.set].insert(label);
      if (name.set == "ichallenge_adam_task2" && !draft->second.record.masks.empty()) {
        // This set's masks are inverted: the structure is 0.
        auto& mask = draft->second.record.masks.rbegin()->second;
        mask.value = 0;
        reading.note("ichallenge_adam_task2: its masks are inverted, the structure is 0");
      }
    }
    for (auto& [image, draft] : drafts) {
      const auto& labels = drawn[set_of[image]];
      draft.looked_for.assign(labels.begin(), labels.end());
      reading.add(std::move(draft));
    }
  }
}

void write_sa_med2d(Exporter& exporter) {
  std::map<std::string, int> classes;
  for (const auto& picture : exporter.pictures())
    for (const auto& one : exporter.masks_by_label(picture)) classes.emplace(one.label, 0);
  nlohmann::ordered_json mapping;
  int next = 1;
  const auto four = [](int number) {
    std::string text = str_cat(number);
    return std::string(text.size() < 4 ? 4 - text.size() : 0, '0') + text;
  };
  for (auto& [label, id] : classes) {
    id = next++;
    mapping[label] = four(id);
  }
  nlohmann::ordered_json listed;
  std::int64_t number = 0;
  for (const auto& picture : exporter.pictures()) {
    const std::string modality = picture.modality.empty() ? "unknown" : picture.modality;
    const std::string subject = picture.subject.empty() ? picture.name : picture.subject;
    const std::string stem = str_cat(exporter.file_word(modality), "_00--medseg--",
                                     exporter.file_word(subject), "--x_", number++);
    exporter.write_image(picture, "images/" + stem + ".png");
    auto masks = nlohmann::ordered_json::array();
    for (const auto& one : exporter.masks_by_label(picture)) {
      const std::string name = "masks/" + stem + "--" + four(classes.at(one.label)) + "_000.png";
      exporter.write_mask(one.mask, name);
      masks.push_back(name);
    }
    listed["images/" + stem + ".png"] = masks;
  }
  exporter.write_text("SAMed2D_v1.json", listed.dump(1) + "\n");
  exporter.write_text("SAMed2D_v1_class_mapping_id.json", mapping.dump(1) + "\n");
  exporter.note("splits and dialogues do not fit into SA-Med2D's form and are left out");
}

}  // namespace medseg
