#include "picture_options.h"

namespace medseg {

void add_picture_options(CLI::App& command, PictureOptions& options, bool picture_required) {
  auto* image = command.add_option(
      "--image", options.file, "image (PNG, JPEG, TIFF, BMP) or volume (NIfTI, NRRD) with --slice");
  if (picture_required) image->required();
  command.add_option("--window", options.window,
                     "intensity window of a 16-bit image or a volume: ct-soft, or with bounds "
                     "\"mine(100, 4000)\"");
  command.add_option("--slice", options.slice, "axial slice of a volume, counted from the feet");
}

}  // namespace medseg
