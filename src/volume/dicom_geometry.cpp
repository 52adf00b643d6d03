#include "dicom_geometry.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "readers.h"

namespace medseg {
namespace {

using Vector = std::array<double, 3>;

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
double length(const Vector& a) { return std::sqrt(dot(a, a)); }

Vector along_row(const PlacedFrame& f) {
  return {f.orientation[0], f.orientation[1], f.orientation[2]};
}
Vector down_column(const PlacedFrame& f) {
  return {f.orientation[3], f.orientation[4], f.orientation[5]};
}
Vector normal_of(const PlacedFrame& f) {
  const auto a = along_row(f), b = down_column(f);
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

void check_same_planes(const std::vector<PlacedFrame>& frames, const std::string& where) {
  const auto& first = frames.front();
  for (const auto& frame : frames) {
    if (std::abs(length(along_row(frame)) - 1) > 1e-2 ||
        std::abs(length(down_column(frame)) - 1) > 1e-2 ||
        std::abs(dot(along_row(frame), down_column(frame))) > 1e-2) {
      throw DataError(where,
                      "contradictory header: its image orientation is no pair of "
                      "perpendicular directions");
    }
    for (std::size_t i = 0; i < 6; ++i) {
      if (std::abs(frame.orientation[i] - first.orientation[i]) > 1e-3)
        throw DataError(where,
                        "holds images of different orientations (a localizer?); keep those "
                        "of one stack");
    }
    if (std::abs(frame.row_mm - first.row_mm) > 1e-3 * first.row_mm ||
        std::abs(frame.column_mm - first.column_mm) > 1e-3 * first.column_mm)
      throw DataError(where, "holds images of different pixel spacings; keep those of one stack");
  }
}

/// Frames by place along the normal: ranges of the sorted order.
std::vector<std::vector<std::size_t>> places(const std::vector<PlacedFrame>& frames,
                                             const std::vector<double>& at) {
  std::vector<std::size_t> order(frames.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return at[a] < at[b]; });
  constexpr double kSamePlace = 1e-2;  // mm
  std::vector<std::vector<std::size_t>> found;
  for (const auto frame : order) {
    if (found.empty() || at[frame] - at[found.back().front()] > kSamePlace) found.emplace_back();
    found.back().push_back(frame);
  }
  for (auto& place : found) {
    std::stable_sort(place.begin(), place.end(), [&](std::size_t a, std::size_t b) {
      return frames[a].order < frames[b].order;
    });
  }
  return found;
}

/// Which of the frames at each place is the chosen volume's.
std::vector<std::size_t> one_volume(const std::vector<std::vector<std::size_t>>& found,
                                    const std::vector<double>& at,
                                    std::optional<std::int64_t> index, const std::string& where) {
  const auto volumes = static_cast<std::int64_t>(found.front().size());
  for (const auto& place : found) {
    if (static_cast<std::int64_t>(place.size()) != volumes) {
      throw DataError(where,
                      str_cat("has ", place.size(), " images at ", fixed(at[place[0]], 2),
                              " mm along its normal, but ", volumes, " at ",
                              fixed(at[found.front()[0]], 2), " mm; keep those of one volume"));
    }
  }
  if (volumes > 1 && !index) {
    throw DataError(where, str_cat("has ", volumes,
                                   " volumes (4-D: as many images at each place); say which one: "
                                   "\"slice\": {…, \"volume\": 0 to ",
                                   volumes - 1, "}"));
  }
  const auto chosen = index.value_or(0);
  if (chosen < 0 || chosen >= volumes)
    throw DataError(where, str_cat("volume ", chosen, " is out of range: it has ", volumes));
  std::vector<std::size_t> frames;
  for (const auto& place : found) frames.push_back(place[static_cast<std::size_t>(chosen)]);
  return frames;
}

void check_distances(const std::vector<std::size_t>& frames, const std::vector<double>& at,
                     std::vector<std::string>& notes, const std::string& where) {
  if (frames.size() < 3) return;
  std::vector<double> gaps;
  for (std::size_t i = 1; i < frames.size(); ++i) gaps.push_back(at[frames[i]] - at[frames[i - 1]]);
  auto sorted = gaps;
  std::sort(sorted.begin(), sorted.end());
  const double usual = sorted[(sorted.size() - 1) / 2];
  std::vector<std::string> missing;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < gaps.size(); ++i) {
    const double steps = gaps[i] / usual;
    if (steps < 1.5 || std::abs(steps - std::round(steps)) > 0.1) continue;
    count += std::llround(steps) - 1;
    missing.push_back(fixed(at[frames[i]], 1) + " and " + fixed(at[frames[i + 1]], 1) + " mm");
  }
  if (!missing.empty()) {
    throw DataError(where,
                    str_cat(count, count == 1 ? " slice is" : " slices are", " missing, between ",
                            join_first(missing, 3), " along its normal (", fixed(usual, 2),
                            " mm from slice to slice)"));
  }
  if (sorted.back() - sorted.front() > 0.05 * usual) {
    throw DataError(
        where, str_cat("its slices are ", fixed(sorted.front(), 3), " to ", fixed(sorted.back(), 3),
                       " mm apart; a volume needs equal distances"));
  }
  if (sorted.back() - sorted.front() > 0.01 * usual) {
    notes.push_back(str_cat("its slices are ", fixed(sorted.front(), 3), " to ",
                            fixed(sorted.back(), 3), " mm apart; their mean is used"));
  }
}

}  // namespace

FrameStack stack_frames(const std::vector<PlacedFrame>& frames, std::optional<std::int64_t> index,
                        const std::string& where) {
  MEDSEG_CHECK(!frames.empty(), "no frames");
  check_same_planes(frames, where);
  const Vector normal = normal_of(frames.front());
  std::vector<double> at;
  for (const auto& frame : frames) at.push_back(dot(frame.position, normal));
  FrameStack stack;
  stack.frames = one_volume(places(frames, at), at, index, where);
  check_distances(stack.frames, at, stack.notes, where);

  const auto& first = frames[stack.frames.front()];
  const auto& last = frames[stack.frames.back()];
  const auto steps = static_cast<double>(stack.frames.size() - 1);
  Vector step{};
  for (std::size_t i = 0; i < 3; ++i) {
    step[i] =
        steps > 0 ? (last.position[i] - first.position[i]) / steps : normal[i] * first.thickness_mm;
  }
  if (steps > 0) {
    const double apart = length(step);
    for (std::size_t k = 0; k < stack.frames.size(); ++k) {
      Vector off{};
      for (std::size_t i = 0; i < 3; ++i) {
        off[i] = frames[stack.frames[k]].position[i] - first.position[i] -
                 static_cast<double>(k) * step[i];
      }
      if (length(off) > 0.1 * std::max(apart, first.row_mm))
        throw DataError(where, "its slices do not lie behind each other on one line");
    }
    const double tilt = std::acos(std::clamp(dot(step, normal) / apart, -1.0, 1.0)) * 180 / M_PI;
    if (tilt > 0.5) {
      stack.notes.push_back(str_cat("gantry tilt of ", fixed(tilt, 1),
                                    " degrees: its slices are shifted against each other, and so "
                                    "is the affine; sagittal and coronal slices look sheared"));
    }
  }
  const auto across = along_row(first), down = down_column(first);
  for (std::size_t row = 0; row < 3; ++row) {
    const double sign = row < 2 ? -1 : 1;  // LPS to RAS
    stack.affine[row] = {sign * across[row] * first.column_mm, sign * down[row] * first.row_mm,
                         sign * step[row], sign * first.position[row]};
  }
  check_affine(stack.affine, where);
  return stack;
}

}  // namespace medseg
