// COCO's instance annotations: images, categories, annotations with polygons or run lengths.
// pycocotools/coco.py, COCO.annToRLE
#include <map>
#include <set>

#include "exporter.h"
#include "foreign_json.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "name_pattern.h"
#include "outlines.h"
#include "source_files.h"

namespace medseg {
namespace {

constexpr std::int64_t kMostId = std::int64_t{1} << 53;

/// "instances_val2017.json" is of val.
std::string split_of_file(const std::string& name) {
  std::string word;
  for (const char c : stem_of(name) + "_") {
    if (c >= 'a' && c <= 'z') {
      word += c;
      continue;
    }
    const std::string split = split_named(word);
    if (!split.empty()) return split;
    word.clear();
  }
  return "";
}

class CocoFile {
 public:
  CocoFile(const SourceFiles& files, std::string name, const JsonItem& root, Reading& reading)
      : files_(files),
        near_(name.substr(0, name.rfind('/') + 1)),
        split_(split_of_file(name.substr(name.rfind('/') + 1))),
        root_(root),
        reading_(reading) {}

  void read() {
    for (const auto& category : root_.at("categories").items()) {
      const std::string label = category.at("name").text();
      if (label.empty()) category.at("name").expected("a name");
      label_of_[category.at("id").whole(0, kMostId)] = label;
      labels_.insert(label);
    }
    for (const auto& image : root_.at("images").items()) add_image(image);
    for (const auto& annotation : root_.at("annotations").items()) add_annotation(annotation);
    for (auto& [id, draft] : drafts_) {
      draft.looked_for.assign(labels_.begin(), labels_.end());
      reading_.add(std::move(draft));
    }
    tell_licences();
    for (const char* key : {"info", "date_captured"}) {
      if (root_.find(key)) reading_.left_out_key(str_cat(key, " (COCO)"));
    }
  }

 private:
  void add_image(const JsonItem& image) {
    const auto id = image.at("id").whole(0, kMostId);
    const std::string name = image.at("file_name").text();
    Draft draft;
    try {
      draft.record.image = files_.find(name, near_, image.where() + ".file_name");
    } catch (const DataError& error) {
      if (name.find("..") != std::string::npos || name.starts_with('/')) throw;
      reading_.skip("an image that is not there", error.where());
      missing_.insert(id);
      return;
    }
    draft.record.id = stem_of(name);
    draft.record.split = split_;
    for (const char* key : {"patient_id", "patient", "subject", "case_id"}) {
      if (const auto subject = image.find(key)) draft.record.subject = subject->text_or_number();
    }
    if (!drafts_.emplace(id, std::move(draft)).second) image.at("id").fail("stands twice");
  }

  void add_annotation(const JsonItem& annotation) {
    const auto image = annotation.at("image_id").whole(0, kMostId);
    const auto category = annotation.at("category_id").whole(0, kMostId);
    if (missing_.contains(image)) return;
    const auto draft = drafts_.find(image);
    if (draft == drafts_.end()) annotation.at("image_id").fail("no image has this id");
    const auto label = label_of_.find(category);
    if (label == label_of_.end()) annotation.at("category_id").fail("no category has this id");
    const auto outline = annotation.find("segmentation");
    if (!outline || (outline->json().is_array() && outline->json().empty())) {
      reading_.skip("a box without an outline", annotation.where());
      return;
    }
    const auto source = outline_of(*outline, label->second);
    const auto [width, height] = size_of(image, draft->second.record.image);
    const auto area = pixels_of(source, width, height, outline->where()).area();
    if (area == 0) {
      reading_.skip("an outline without a pixel", annotation.where());
      return;
    }
    const std::string id = next_mask_id(draft->second.record);
    draft->second.record.masks[id] = source;
    draft->second.areas[id] = area;
  }

  std::pair<int, int> size_of(std::int64_t id, const std::filesystem::path& path) {
    const auto [it, is_new] = sizes_.emplace(id, std::pair<int, int>());
    if (is_new) it->second = image_size(path);
    return it->second;
  }

  void tell_licences() {
    const auto licences = root_.find("licenses");
    if (!licences || !licences->json().is_array()) return;
    std::vector<std::string> names;
    for (const auto& one : licences->items()) {
      if (const auto name = one.find("name")) names.push_back(name->text());
    }
    if (!names.empty()) reading_.set_licence(join_first(names, 3));
  }

  const SourceFiles& files_;
  std::string near_, split_;
  const JsonItem& root_;
  Reading& reading_;
  std::map<std::int64_t, std::string> label_of_;
  std::set<std::string> labels_;
  std::map<std::int64_t, Draft> drafts_;
  std::set<std::int64_t> missing_;
  std::map<std::int64_t, std::pair<int, int>> sizes_;
};

}  // namespace

void read_coco(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  const bool coco = root.json().is_object() && root.json().contains("images") &&
                                    root.json().contains("annotations");
                  if (!coco) return false;
                  CocoFile(files, name, root, reading).read();
                  return true;
                });
}

void write_coco(Exporter& exporter) {
  std::map<std::string, nlohmann::ordered_json> of_split;
  std::map<std::string, int> category_of;
  for (const auto& picture : exporter.pictures())
    for (const auto& one : exporter.masks_by_label(picture)) category_of.emplace(one.label, 0);
  auto categories = nlohmann::ordered_json::array();
  for (auto& [label, id] : category_of) {
    id = static_cast<int>(categories.size()) + 1;
    categories.push_back({{"id", id}, {"name", label}});
  }
  int image_id = 0, annotation_id = 0;
  for (const auto& picture : exporter.pictures()) {
    const std::string split = picture.split.empty() ? "all" : picture.split;
    auto& json = of_split[split];
    if (json.is_null())
      json = {{"images", nlohmann::ordered_json::array()},
              {"categories", categories},
              {"annotations", nlohmann::ordered_json::array()}};
    const std::string name = "images/" + picture.name + ".png";
    exporter.write_image(picture, name);
    nlohmann::ordered_json image = {{"id", ++image_id},
                                    {"file_name", name},
                                    {"height", picture.height},
                                    {"width", picture.width}};
    if (!picture.subject.empty()) image["patient_id"] = picture.subject;
    json["images"].push_back(image);
    for (const auto& one : exporter.masks_by_label(picture)) {
      const Rle rle = encode_rle(one.mask);
      json["annotations"].push_back(
          {{"id", ++annotation_id},
           {"image_id", image_id},
           {"category_id", category_of.at(one.label)},
           {"iscrowd", 0},
           {"area", one.mask.area()},
           {"segmentation", {{"size", {rle.height, rle.width}}, {"counts", rle.counts}}}});
      exporter.count_masks(1);
    }
  }
  for (const auto& [split, json] : of_split)
    exporter.write_text("instances_" + split + ".json", json.dump() + "\n");
  exporter.note("questions and answers do not fit into COCO's form and are left out");
}

}  // namespace medseg
