#include "picture_options.h"

#include "medseg/base/log.h"

namespace medseg {

void add_picture_options(Command& command, PictureOptions& options, bool picture_required) {
  auto* image = command.add_option("--image", options.file,
                                   "image (PNG, JPEG, TIFF, BMP, DICOM), or a volume (NIfTI, NRRD, "
                                   "MetaImage, DICOM series folder) with --slice");
  if (picture_required) image->required();
  add_view_options(command, options);
}

void add_view_options(Command& command, PictureOptions& options) {
  command.add_option("--window", options.window,
                     "intensity window of a 16-bit image or a volume: ct-soft, or with bounds "
                     "\"mine(100, 4000)\"");
  command.add_option("--modality", options.modality,
                     "ct, mr, …: decides the window where none is named");
  command.add_option("--slice", options.slice,
                     "slice of a volume, counted from 0: from the feet along axis 2");
  command
      .add_option("--axis", options.axis,
                  "of slices: 0 from left to right, 1 from back to front, 2 from feet to head")
      ->in_range(0, 2);
  command.add_option("--volume", options.volume,
                     "of a file with several volumes (4-D), counted from 0");
}

RecordImage open_named_picture(const PictureOptions& options) {
  auto opened = open_picture(options);
  for (const auto& note : opened.notes) log_warning(options.file.string() + ": " + note);
  return opened;
}

}  // namespace medseg
