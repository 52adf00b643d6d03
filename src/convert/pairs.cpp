// Folders of images and masks, by name patterns that the user gives.
#include <set>

#include "exporter.h"
#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "paired_files.h"

namespace medseg {

void read_pairs(Reading& reading) {
  const auto& options = reading.options();
  if (options.images.empty() || options.masks.empty())
    throw ConfigError("--images",
                      "pairs needs --images and --masks, as --images "
                      "'images/{case}.png' --masks 'masks/{case}_{label}.png'");
  PairSource source;
  source.layouts = {{options.images, {{options.masks, options.labels}}, ""}};
  source.modality = options.modality;
  if (options.modality.empty())
    reading.note(
        "modality: not stated; --modality ct (mr, us, xray, …) writes it into every record");
  read_paired_files(source, reading);
}

void write_pairs(Exporter& exporter) {
  for (const auto& picture : exporter.pictures()) {
    const std::string split = picture.split.empty() ? "all" : picture.split;
    exporter.write_image(picture, split + "/images/" + picture.name + ".png");
    for (const auto& one : exporter.masks_by_label(picture))
      exporter.write_mask(one.mask, split + "/masks/" + picture.name + "--" +
                                        exporter.file_word(one.label) + ".png");
  }
  exporter.note(
      "read again: data convert --from pairs --images '{split}/images/{case}.png' --masks "
      "'{split}/masks/{case}--{label}.png'");
}

}  // namespace medseg
