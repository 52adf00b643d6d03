#include "medseg/generation/open_picture.h"

#include <algorithm>
#include <variant>

#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/codec.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

bool is_volume(const std::filesystem::path& file) {
  const std::string name = file.filename().string();
  const std::vector<std::string> ends = {".nii", ".nii.gz", ".nrrd", ".inv3"};
  return std::any_of(ends.begin(), ends.end(),
                     [&](const std::string& end) { return name.ends_with(end); });
}

Image slice_of_volume(const PictureOptions& options) {
  if (!options.slice)
    throw ConfigError("--slice", "missing: " + options.file.string() + " is a volume");
  const Volume volume = to_canonical(read_volume(options.file));
  if (*options.slice < 0 || *options.slice >= volume.size[2]) {
    throw ConfigError("--slice",
                      str_cat(*options.slice, " is out of range: ", options.file.string(),
                              " has slices 0 to ", volume.size[2] - 1));
  }
  const Window window =
      options.window.empty() ? percentile_window(volume, 0.5, 99.5) : parse_window(options.window);
  return axial_slice(volume, *options.slice, window);
}

}  // namespace

Image open_picture(const PictureOptions& options) {
  if (is_volume(options.file)) return slice_of_volume(options);
  auto picture = read_picture(options.file);
  if (auto* image = std::get_if<Image>(&picture)) return std::move(*image);
  if (options.window.empty()) return read_image(options.file);
  return through_window(std::get<Image16>(picture), parse_window(options.window));
}

}  // namespace medseg
