// Orientation, windows and slices.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"
#include "readers.h"

namespace medseg {
namespace {

// Radiological reading windows; the level and width behind each is common practice.
const std::vector<Window>& windows() {
  static const std::vector<Window> table = {
      {"ct-bone", -200, 1200},  // bone against soft tissue, air black
      {"ct-lung", -1000, 200},  // lung vessels and nodules, mediastinum white
      {"ct-soft", -160, 240},   // level 40, width 400
      {"ct-brain", 0, 80},      // level 40, width 80
  };
  return table;
}

double percentile_of(std::vector<float> values, double percent) {
  MEDSEG_CHECK(!values.empty() && percent >= 0 && percent <= 100,
               "percentile of nothing or out of range");
  const double rank = percent / 100 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::size_t>(rank);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(low);
  std::nth_element(values.begin(), middle, values.end());
  const double below = *middle;
  if (low + 1 >= values.size()) return below;
  const double above = *std::min_element(middle + 1, values.end());
  return below + (rank - static_cast<double>(low)) * (above - below);
}

// Pixel (x, y) of an axial slice shows voxel (size - 1 - x, size - 1 - y): right on the left, front on top.
template <class Visit>
void for_each_pixel(const std::array<std::int64_t, 3>& size, std::int64_t k, const Visit& visit) {
  MEDSEG_CHECK(k >= 0 && k < size[2], "axial slice out of range");
  std::size_t pixel = 0;
  for (std::int64_t j = size[1] - 1; j >= 0; --j) {
    for (std::int64_t i = size[0] - 1; i >= 0; --i) {
      visit(pixel++, static_cast<std::size_t>((k * size[1] + j) * size[0] + i));
    }
  }
}

std::uint8_t shade(double value, const Window& window) {
  // In this order: a factor 255 / width made beforehand rounds some halves down.
  const double share = (value - window.low) / std::max(window.high - window.low, 1e-12);
  const double grey = 255.0 * std::clamp(share, 0.0, 1.0);
  // Not-a-number means "not measured" in some files: black.
  return std::isnan(grey) ? 0 : static_cast<std::uint8_t>(std::lround(grey));
}

}  // namespace

std::size_t checked_voxels(const std::array<std::int64_t, 3>& size, const std::string& where) {
  std::int64_t count = 1;
  for (const auto along : size) {
    if (along < 1 || along > kMaxVoxels || count > kMaxVoxels / along) {
      throw DataError(str_cat(where, ": ", size[0], "x", size[1], "x", size[2], " voxels, at most ",
                              kMaxVoxels, " are read"));
    }
    count *= along;
  }
  return static_cast<std::size_t>(count);
}

void check_affine(const std::array<std::array<double, 4>, 3>& a, const std::string& where) {
  double scale = 1;
  for (std::size_t axis = 0; axis < 3; ++axis)
    scale *= std::hypot(a[0][axis], a[1][axis], a[2][axis]);
  const double determinant = a[0][0] * (a[1][1] * a[2][2] - a[1][2] * a[2][1]) -
                             a[0][1] * (a[1][0] * a[2][2] - a[1][2] * a[2][0]) +
                             a[0][2] * (a[1][0] * a[2][1] - a[1][1] * a[2][0]);
  const bool placed = std::isfinite(a[0][3]) && std::isfinite(a[1][3]) && std::isfinite(a[2][3]);
  // Also false for every not-a-number.
  if (!(placed && std::isfinite(scale) && std::abs(determinant) > 1e-6 * scale))
    throw DataError(where + ": contradictory header: its voxel axes do not span space");
}

Volume read_volume(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const std::string where = path.string();
  if (is_nrrd(bytes)) return read_nrrd(bytes, where);
  if (is_nifti(bytes)) return read_nifti(bytes, where);
  if (is_gzip(bytes)) {
    const auto head = gunzip(bytes, 600, where);
    const auto view = std::span(reinterpret_cast<const std::uint8_t*>(head.data()), head.size());
    if (is_nifti(view)) return read_nifti(bytes, where);
    if (head.size() > 262 && head.compare(257, 5, "ustar") == 0) return read_inv3(bytes, where);
  }
  throw DataError(where + ": no known volume; known are NIfTI, NRRD and InVesalius projects");
}

std::array<double, 3> Volume::spacing_mm() const {
  std::array<double, 3> spacing{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (std::size_t row = 0; row < 3; ++row)
      spacing[axis] += affine[row][axis] * affine[row][axis];
    spacing[axis] = std::sqrt(spacing[axis]);
  }
  return spacing;
}

Volume to_canonical(const Volume& volume) {
  // Which voxel axis lies nearest to x, y, z: the best of the six permutations, so that no axis is used twice.
  std::array<std::size_t, 3> order = {0, 1, 2}, best = order;
  const auto spacing = volume.spacing_mm();
  double best_fit = -1;
  do {
    double fit = 0;
    for (std::size_t row = 0; row < 3; ++row)
      fit += std::abs(volume.affine[row][order[row]]) / std::max(spacing[order[row]], 1e-12);
    if (fit > best_fit + 1e-9) {
      best_fit = fit;
      best = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));

  Volume out;
  std::array<std::int64_t, 3> step{}, start{};
  const std::array<std::int64_t, 3> stride = {1, volume.size[0], volume.size[0] * volume.size[1]};
  for (std::size_t row = 0; row < 3; ++row) out.affine[row][3] = volume.affine[row][3];
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto from = best[axis];
    const bool flip = volume.affine[axis][from] < 0;
    out.size[axis] = volume.size[from];
    step[axis] = flip ? -stride[from] : stride[from];
    start[axis] = flip ? (volume.size[from] - 1) * stride[from] : 0;
    for (std::size_t row = 0; row < 3; ++row) {
      out.affine[row][axis] = flip ? -volume.affine[row][from] : volume.affine[row][from];
      if (flip)
        out.affine[row][3] += volume.affine[row][from] * static_cast<double>(volume.size[from] - 1);
    }
  }
  out.voxels.reserve(volume.voxels.size());
  for (std::int64_t k = 0; k < out.size[2]; ++k) {
    for (std::int64_t j = 0; j < out.size[1]; ++j) {
      std::int64_t at = start[0] + start[1] + start[2] + k * step[2] + j * step[1];
      for (std::int64_t i = 0; i < out.size[0]; ++i, at += step[0])
        out.voxels.push_back(volume.voxels[static_cast<std::size_t>(at)]);
    }
  }
  return out;
}

Window named_window(const std::string& name) {
  std::vector<std::string> known;
  for (const auto& window : windows()) {
    if (window.name == name) return window;
    known.push_back(window.name);
  }
  throw ConfigError("window: unknown \"" + name + "\"" + did_you_mean(name, known));
}

Window percentile_window(const Volume& volume, double low_percent, double high_percent) {
  std::vector<float> positive;
  std::copy_if(volume.voxels.begin(), volume.voxels.end(), std::back_inserter(positive),
               [](float v) { return v > 0; });
  if (positive.empty()) return {"mr-percentile", 0, 1};
  return {"mr-percentile", percentile_of(positive, low_percent),
          percentile_of(positive, high_percent)};
}

double percentile(const Volume& volume, double percent) {
  std::vector<float> values;
  values.reserve(volume.voxels.size());
  std::copy_if(volume.voxels.begin(), volume.voxels.end(), std::back_inserter(values),
               [](float v) { return !std::isnan(v); });
  return values.empty() ? 0.0 : percentile_of(std::move(values), percent);
}

Image axial_slice(const Volume& canonical, std::int64_t k, const Window& window) {
  Image image{.width = static_cast<int>(canonical.size[0]),
              .height = static_cast<int>(canonical.size[1]),
              .channels = 1,
              .pixels = {}};
  image.pixels.resize(static_cast<std::size_t>(canonical.size[0] * canonical.size[1]));
  for_each_pixel(canonical.size, k, [&](std::size_t pixel, std::size_t voxel) {
    image.pixels[pixel] = shade(static_cast<double>(canonical.voxels[voxel]), window);
  });
  return image;
}

Image through_window(const Image16& picture, const Window& window) {
  Image image{picture.width, picture.height, 1, {}};
  image.pixels.reserve(picture.pixels.size());
  for (const auto value : picture.pixels) image.pixels.push_back(shade(value, window));
  return image;
}

Mask axial_mask(const Volume& canonical_mask, std::int64_t k, float above) {
  Mask mask(static_cast<int>(canonical_mask.size[0]), static_cast<int>(canonical_mask.size[1]));
  for_each_pixel(canonical_mask.size, k, [&](std::size_t pixel, std::size_t voxel) {
    mask.pixels[pixel] = canonical_mask.voxels[voxel] > above ? 1 : 0;
  });
  return mask;
}

Mask axial_mask(const VoxelMask& canonical_mask, std::int64_t k) {
  Mask mask(static_cast<int>(canonical_mask.size[0]), static_cast<int>(canonical_mask.size[1]));
  for_each_pixel(canonical_mask.size, k, [&](std::size_t pixel, std::size_t voxel) {
    mask.pixels[pixel] = canonical_mask.voxels[voxel];
  });
  return mask;
}

}  // namespace medseg
