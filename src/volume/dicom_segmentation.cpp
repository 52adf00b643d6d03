// DICOM SEG (PS3.3 A.51, C.8.20) as label volumes.
#include <algorithm>
#include <cmath>
#include <set>

#include "dicom_frames.h"
#include "dicom_tags.h"
#include "dicom_volume.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/volume/dicom.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr DicomTag kMaximumFraction{0x0062, 0x000e};

/// Along the normal of the first frame.
std::vector<double> distances(const std::vector<PlacedFrame>& frames, const std::string& where) {
  const auto& o = frames.front().orientation;
  const std::array<double, 3> normal = {o[1] * o[5] - o[2] * o[4], o[2] * o[3] - o[0] * o[5],
                                        o[0] * o[4] - o[1] * o[3]};
  std::vector<double> at;
  for (const auto& frame : frames) {
    for (std::size_t i = 0; i < 6; ++i) {
      if (std::abs(frame.orientation[i] - o[i]) > 1e-3)
        throw DataError(where, "a segmentation of several orientations");
    }
    at.push_back(frame.position[0] * normal[0] + frame.position[1] * normal[1] +
                 frame.position[2] * normal[2]);
  }
  return at;
}

/// From slice to slice: what the file says if all places fit it, else the smallest distance.
double step_of(const std::vector<double>& at, double stated, const std::string& where) {
  const double first = *std::min_element(at.begin(), at.end());
  const auto fits = [&](double step) {
    return std::all_of(at.begin(), at.end(), [&](double place) {
      const double steps = (place - first) / step;
      return std::abs(steps - std::round(steps)) < 0.1;
    });
  };
  if (stated > 0 && fits(stated)) return stated;
  std::set<double> sorted(at.begin(), at.end());
  double least = 0;
  for (auto next = std::next(sorted.begin()); next != sorted.end(); ++next) {
    const double gap = *next - *std::prev(next);
    if (gap > 1e-2 && (least == 0 || gap < least)) least = gap;
  }
  if (least == 0) return stated > 0 ? stated : 1;
  if (!fits(least)) throw DataError(where, "its frames are not equally far from each other");
  return least;
}

/// The segment of each frame.
std::vector<std::int64_t> segments_of(const DicomFile& file, const DicomFrames& frames) {
  std::vector<std::int64_t> segments;
  for (const auto& groups : frames.groups) {
    const auto number = groups.group(kSegmentIdentification).integer(kReferencedSegment);
    if (!number) file.fail("a segmentation with frames that name no segment");
    segments.push_back(*number);
  }
  return segments;
}

}  // namespace

Volume read_segmentation(const DicomFile& file, std::optional<std::int64_t> segment) {
  if (!file.has_pixels()) file.fail("a DICOM SEG without pixels");
  std::set<std::int64_t> known;
  for (const auto& item : file.data().all_items(kSegments))
    known.insert(item.integer(kSegmentNumber).value_or(-1));
  if (segment && !known.contains(*segment)) {
    std::vector<std::string> names;
    for (const auto number : known) names.push_back(std::to_string(number));
    file.fail(str_cat("has no segment ", *segment, "; known are ", join_first(names, 20)));
  }
  const DicomSamples samples(file);
  const auto& format = samples.format();
  const auto frames = dicom_frames(file, format);
  if (!frames.placed) file.fail("a DICOM SEG that does not say where its frames lie");
  const auto segments = segments_of(file, frames);
  const auto at = distances(frames.places, file.where());
  const double step = step_of(at, frames.places.front().thickness_mm, file.where());
  const auto [low, high] = std::minmax_element(at.begin(), at.end());
  const auto count = std::llround((*high - *low) / step) + 1;

  Volume volume;
  volume.size = {format.columns, format.rows, count};
  volume.voxels.resize(checked_voxels(volume.size, file.where()));
  auto first = frames.places[static_cast<std::size_t>(low - at.begin())];
  auto last = frames.places[static_cast<std::size_t>(high - at.begin())];
  first.thickness_mm = step;
  // Two frames are enough to place the grid, however far apart.
  FrameStack stack;
  if (count > 1) {
    stack = stack_frames({first, last}, std::nullopt, file.where());
    for (auto& row : stack.affine) row[2] /= static_cast<double>(count - 1);
  } else {
    stack = stack_frames({first}, std::nullopt, file.where());
  }
  volume.affine = stack.affine;
  volume.modality = "seg";

  const double half =
      file.data().text(kSegmentationType) == "FRACTIONAL"
          ? static_cast<double>(file.data().integer(kMaximumFraction).value_or(255)) / 2
          : 0;
  bool overlap = false;
  std::vector<double> read;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (segment && segments[i] != *segment) continue;
    samples.read(static_cast<int>(i), read);
    const auto slice = static_cast<std::size_t>(std::llround((at[i] - *low) / step));
    float* to = volume.voxels.data() + slice * format.pixels();
    const auto label = static_cast<float>(segments[i]);
    for (std::size_t pixel = 0; pixel < format.pixels(); ++pixel) {
      if (read[pixel] <= half) continue;
      overlap = overlap || (to[pixel] != 0 && to[pixel] != label);
      to[pixel] = label;
    }
  }
  if (overlap)
    volume.notes.push_back(
        "its segments overlap: a voxel has the label of the last; choose one "
        "by \"value\"");
  if (half > 0) volume.notes.push_back("a fractional segmentation: above one half is foreground");
  return volume;
}

Volume read_dicom_segmentation(const std::filesystem::path& path,
                               std::optional<std::int64_t> segment) {
  return read_segmentation(DicomFile(path), segment);
}

std::optional<Volume> slice_laid_on(const Volume& labels, const Volume& grid, int axis,
                                    std::int64_t index) {
  const auto own = labels.spacing_mm(), wanted = grid.spacing_mm();
  int alike = 0;
  for (std::size_t a = 0; a < 3; ++a) alike += std::abs(own[a] / wanted[a] - 1) < 0.01 ? 1 : 0;
  if (alike < 2) return std::nullopt;
  // grid_from_mm by Cramer's rule, then grid_from_label.
  const auto& g = grid.affine;
  std::array<std::array<double, 3>, 3> inverse{};
  double determinant = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t b = (a + 1) % 3, c = (a + 2) % 3;
    determinant += g[0][a] * (g[1][b] * g[2][c] - g[1][c] * g[2][b]);
    for (std::size_t row = 0; row < 3; ++row) {
      const std::size_t r1 = (row + 1) % 3, r2 = (row + 2) % 3;
      inverse[a][row] = g[r1][b] * g[r2][c] - g[r1][c] * g[r2][b];
    }
  }
  std::array<std::array<double, 4>, 3> map{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) {
      for (std::size_t i = 0; i < 3; ++i) {
        const double mm = labels.affine[i][column] - (column == 3 ? g[i][3] : 0);
        map[row][column] += inverse[row][i] / determinant * mm;
      }
    }
  }
  Volume whole;  // the one slice, in the grid's frame
  whole.size = grid.size;
  whole.size[static_cast<std::size_t>(axis)] = 1;
  whole.affine = grid.affine;
  whole.modality = labels.modality;
  whole.voxels.resize(static_cast<std::size_t>(whole.size[0] * whole.size[1] * whole.size[2]));
  std::size_t voxel = 0;
  for (std::int64_t k = 0; k < labels.size[2]; ++k) {
    for (std::int64_t j = 0; j < labels.size[1]; ++j) {
      for (std::int64_t i = 0; i < labels.size[0]; ++i, ++voxel) {
        if (labels.voxels[voxel] == 0) continue;
        std::array<std::int64_t, 3> at{};
        for (std::size_t a = 0; a < 3; ++a) {
          const double place = map[a][0] * static_cast<double>(i) +
                               map[a][1] * static_cast<double>(j) +
                               map[a][2] * static_cast<double>(k) + map[a][3];
          at[a] = std::llround(place);
          if (std::abs(place - static_cast<double>(at[a])) > 0.1 || at[a] < 0 ||
              at[a] >= grid.size[a])
            return std::nullopt;
        }
        if (at[static_cast<std::size_t>(axis)] != index) continue;
        at[static_cast<std::size_t>(axis)] = 0;
        whole.voxels[static_cast<std::size_t>((at[2] * whole.size[1] + at[1]) * whole.size[0] +
                                              at[0])] = labels.voxels[voxel];
      }
    }
  }
  return slice_along(whole, axis, 0);
}

}  // namespace medseg
