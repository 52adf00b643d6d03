// nnU-Net raw: dataset.json, imagesTr/CASE_0000.nii.gz, labelsTr/CASE.nii.gz, and Ts.
// nnunetv2/dataset_conversion/generate_dataset_json.py
#include <algorithm>
#include <map>

#include "dataset_json.h"
#include "exporter.h"
#include "formats.h"
#include "label_slices.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/volume/volume.h"
#include "source_files.h"

namespace medseg {
namespace {

struct Dataset {
  std::string folder;  ///< relative to the source, with '/' behind it
  std::string ending;
  std::vector<LabelValues> labels;
  std::vector<std::string> channels;
};

void read_case(const SourceFiles& files, const Dataset& dataset, const std::string& image,
               const std::string& split, Reading& reading) {
  // CASE_0000.nii.gz
  const std::string file = image.substr(image.rfind('/') + 1);
  const std::string stem = file.substr(0, file.size() - dataset.ending.size());
  if (stem.size() < 6 || stem[stem.size() - 5] != '_') {
    reading.skip("a name without its channel (CASE_0000)", image);
    return;
  }
  const std::string name = stem.substr(0, stem.size() - 5);
  const std::string number = stem.substr(stem.size() - 4);
  const bool digits = number.find_first_not_of("0123456789") == std::string::npos;
  const auto channel =
      digits ? static_cast<std::size_t>(std::stoi(number)) : dataset.channels.size();
  const std::string channel_name =
      channel < dataset.channels.size() ? dataset.channels[channel] : number;
  const auto& wanted = reading.options().channel;
  if (!wanted.empty() && wanted != channel_name) return;
  const std::string tr = split == "train" ? "Tr/" : "Ts/";
  const std::string labels = dataset.folder + "labels" + tr + name + dataset.ending;
  const auto& names = files.names();
  if (!std::binary_search(names.begin(), names.end(), labels)) {
    reading.skip("an image without a label file", image);
    return;
  }
  const std::string id = dataset.channels.size() > 1 ? name + "-" + number : name;
  const auto path = files.root() / image, label_path = files.root() / labels;
  const std::string modality = modality_named(channel_name);
  if (volume_format(path)) {
    add_slices({id, path, label_path, std::nullopt, name, split, modality, channel_name},
               dataset.labels, reading);
    return;
  }
  Draft draft;
  draft.record.id = id;
  draft.record.image = path;
  draft.record.subject = name;
  draft.record.split = split;
  draft.record.modality = modality;
  add_mask_file(draft, label_path, dataset.labels, reading);
  reading.add(std::move(draft));
}

void read_dataset(const SourceFiles& files, const std::string& description, Reading& reading) {
  const auto path = files.root() / description;
  const auto json = read_foreign_json(path);
  const JsonItem item(json, path.string() + ": ");
  Dataset dataset;
  dataset.folder = description.substr(0, description.rfind('/') + 1);
  dataset.labels = labels_of_dataset(item);
  dataset.channels = channels_of_dataset(item);
  reading.set_ignored(ignored_of_dataset(item));
  const auto ending = item.find("file_ending");
  dataset.ending = ending ? ending->text() : ".nii.gz";
  if (const auto licence = item.find("licence")) reading.set_licence(licence->text());
  for (const char* set : {"imagesTr/", "imagesTs/"}) {
    const std::string folder = dataset.folder + set;
    for (const auto& name : files.names()) {
      if (name.starts_with(folder) && name.ends_with(dataset.ending))
        read_case(files, dataset, name, set == std::string("imagesTr/") ? "train" : "test",
                  reading);
    }
  }
}

}  // namespace

void read_nnunet(Reading& reading) {
  for (const auto& root : reading.options().sources) {
    const SourceFiles files(root, reading.options().out);
    for (const auto& name : files.names_ending("dataset.json")) read_dataset(files, name, reading);
  }
}

void write_nnunet(Exporter& exporter) {
  nlohmann::ordered_json labels = {{"background", 0}};
  std::map<std::string, int> value_of;
  for (const auto& picture : exporter.pictures()) {
    for (const auto& one : exporter.masks_by_label(picture)) value_of.emplace(one.label, 0);
  }
  int next = 1;
  for (auto& [label, value] : value_of) {
    value = next++;
    labels[label] = value;
  }
  if (next > 255) throw DataError(exporter.manifest(), "more than 254 structures");
  std::int64_t training = 0;
  for (const auto& picture : exporter.pictures()) {
    const auto masks = exporter.masks_by_label(picture);
    Image map{picture.width, picture.height, 1,
              std::vector<std::uint8_t>(static_cast<std::size_t>(picture.width) *
                                        static_cast<std::size_t>(picture.height))};
    bool overlap = false;
    for (const auto& one : masks) {
      for (std::size_t i = 0; i < map.pixels.size(); ++i) {
        if (one.mask.pixels[i] == 0) continue;
        overlap = overlap || map.pixels[i] != 0;
        map.pixels[i] = static_cast<std::uint8_t>(value_of.at(one.label));
      }
    }
    if (overlap) {
      exporter.skip("structures overlap, which a label image cannot hold", picture.name);
      continue;
    }
    const std::string set = picture.split == "test" ? "Ts/" : "Tr/";
    if (set == "Tr/") ++training;
    exporter.write_image(picture, "images" + set + picture.name + "_0000.png");
    exporter.write_grey(map, "labels" + set + picture.name + ".png",
                        static_cast<std::int64_t>(masks.size()));
  }
  nlohmann::ordered_json description = {{"channel_names", {{"0", "grey"}}},
                                        {"labels", labels},
                                        {"numTraining", training},
                                        {"file_ending", ".png"}};
  exporter.write_text("dataset.json", description.dump(2) + "\n");
  exporter.note("nnU-Net has no validation split of its own: val stands in imagesTr");
}

}  // namespace medseg
