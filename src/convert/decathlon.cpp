// Medical Segmentation Decathlon: Task folders with imagesTr, labelsTr and a dataset.json that
// lists {"image", "label"}; several sequences are the fourth axis of one file.
#include <algorithm>

#include "dataset_json.h"
#include "formats.h"
#include "label_slices.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "source_files.h"

namespace medseg {
namespace {

void read_task(const SourceFiles& files, const std::string& description, Reading& reading) {
  const auto path = files.root() / description;
  const auto json = read_foreign_json(path);
  const JsonItem item(json, path.string() + ": ");
  const std::string near = description.substr(0, description.rfind('/') + 1);
  const auto labels = labels_of_dataset(item);
  const auto channels = channels_of_dataset(item);
  if (const auto licence = item.find("licence")) reading.set_licence(licence->text());
  const auto& wanted = reading.options().channel;
  for (const auto& pair : item.at("training").items()) {
    const auto image = files.find(pair.at("image").text(), near, pair.where() + ".image");
    const auto label = files.find(pair.at("label").text(), near, pair.where() + ".label");
    const std::string name = stem_of(image.filename().string());
    for (std::size_t i = 0; i < std::max<std::size_t>(channels.size(), 1); ++i) {
      const std::string channel = channels.empty() ? "" : channels[i];
      if (!wanted.empty() && channel != wanted) continue;
      VolumeCase one{channels.size() > 1 ? str_cat(name, "-", i) : name,
                     image,
                     label,
                     std::nullopt,
                     name,
                     "",
                     modality_named(channel),
                     channel};
      if (channels.size() > 1) one.volume = static_cast<std::int64_t>(i);
      add_slices(one, labels, reading);
    }
  }
  if (const auto test = item.find("test"); test && test->json().is_array())
    for (const auto& image : test->items())
      reading.skip("an image of the challenge's test set, which has no labels", image.where());
}

}  // namespace

void read_decathlon(Reading& reading) {
  for (const auto& root : reading.options().sources) {
    const SourceFiles files(root, reading.options().out);
    for (const auto& name : files.names_ending("dataset.json")) read_task(files, name, reading);
  }
}

}  // namespace medseg
