#include "medseg/generation/open_picture.h"

#include "medseg/base/error.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

// The file as the one record of a manifest beside it.
Record record_of(const PictureOptions& options) {
  Record record;
  record.id = record.image = options.file;
  record.modality = options.modality;
  record.window = options.window;
  const bool exists = std::filesystem::exists(options.file);
  const auto format = exists ? volume_format(options.file) : std::nullopt;
  const bool may_be_image =
      format == VolumeFormat::kDicom && read_volume(options.file).size[2] == 1;
  if (format && !may_be_image && !options.slice)
    throw ConfigError("--slice", "missing: " + options.file.string() + " is a volume");
  if (exists && !format && options.slice)
    throw ConfigError("--slice", options.file.string() + " is no volume");
  if (exists && !format && options.volume)
    throw ConfigError("--volume", options.file.string() + " is no volume");
  if (options.slice)
    record.slice = {.axis = options.axis, .index = *options.slice, .volume = options.volume};
  return record;
}

}  // namespace

RecordImage open_picture(const PictureOptions& options) {
  if (options.slice && *options.slice < 0)
    throw ConfigError("--slice", std::to_string(*options.slice) + " is out of range");
  const auto manifest = Manifest::of("", {record_of(options)});
  try {
    return read_image_of(manifest, manifest.records().front());
  } catch (const DataError& error) {
    if (error.where() != "slice.index")
      throw;  // the one fault that is the option's, not the file's
    throw ConfigError("--slice", error.reason());
  }
}

}  // namespace medseg
