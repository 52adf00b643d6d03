// Where voxels lie, and the turn to the nearest right-anterior-superior axes and back.
#include <algorithm>
#include <cmath>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"
#include "readers.h"

namespace medseg {
namespace {

/// Axis `axis` of the turned volume is axis `from[axis]` of the stored one, run backwards where
/// `flip`.
struct Turn {
  std::array<std::size_t, 3> from{};
  std::array<bool, 3> flip{};
};

Turn turn_of(const Volume& volume) {
  // Which voxel axis lies nearest to x, y, z: the best of the six permutations, so that no axis is
  // used twice.
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
  Turn turn{best, {}};
  for (std::size_t axis = 0; axis < 3; ++axis)
    turn.flip[axis] = volume.affine[axis][best[axis]] < 0;
  return turn;
}

/// Index of the stored voxel that the turned volume has first, and the steps along its axes.
struct Walk {
  std::array<std::int64_t, 3> size{}, step{};
  std::int64_t start = 0;

  Walk(const Turn& turn, const std::array<std::int64_t, 3>& stored) {
    const std::array<std::int64_t, 3> stride = {1, stored[0], stored[0] * stored[1]};
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto from = turn.from[axis];
      size[axis] = stored[from];
      step[axis] = turn.flip[axis] ? -stride[from] : stride[from];
      start += turn.flip[axis] ? (stored[from] - 1) * stride[from] : 0;
    }
  }

  /// `visit(turned, stored)` of every voxel, in the turned volume's order.
  template <class Visit>
  void each(const Visit& visit) const {
    std::size_t turned = 0;
    for (std::int64_t k = 0; k < size[2]; ++k) {
      for (std::int64_t j = 0; j < size[1]; ++j) {
        std::int64_t at = start + k * step[2] + j * step[1];
        for (std::int64_t i = 0; i < size[0]; ++i, at += step[0])
          visit(turned++, static_cast<std::size_t>(at));
      }
    }
  }
};

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
  const Turn turn = turn_of(volume);
  const Walk walk(turn, volume.size);
  Volume out;
  out.size = walk.size;
  out.modality = volume.modality;
  out.window = volume.window;
  out.notes = volume.notes;
  for (std::size_t row = 0; row < 3; ++row) out.affine[row][3] = volume.affine[row][3];
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto from = turn.from[axis];
    for (std::size_t row = 0; row < 3; ++row) {
      const double along = volume.affine[row][from];
      out.affine[row][axis] = turn.flip[axis] ? -along : along;
      if (turn.flip[axis]) out.affine[row][3] += along * static_cast<double>(volume.size[from] - 1);
    }
  }
  out.voxels.resize(volume.voxels.size());
  walk.each(
      [&](std::size_t turned, std::size_t stored) { out.voxels[turned] = volume.voxels[stored]; });
  return out;
}

VoxelMask from_canonical(const VoxelMask& canonical, const Volume& stored) {
  const Walk walk(turn_of(stored), stored.size);
  MEDSEG_CHECK(walk.size == canonical.size, "a mask of another volume");
  VoxelMask out(stored.size);
  walk.each([&](std::size_t turned, std::size_t at) { out.voxels[at] = canonical.voxels[turned]; });
  return out;
}

std::string axes_name(const Volume& volume) {
  static constexpr const char* kEnds[3] = {"RL", "AP", "SI"};
  const Turn turn = turn_of(volume);
  std::string name(3, ' ');
  for (std::size_t axis = 0; axis < 3; ++axis)
    name[turn.from[axis]] = kEnds[axis][turn.flip[axis] ? 1 : 0];
  return name;
}

bool same_grid(const Volume& a, const Volume& b) {
  if (a.size != b.size) return false;
  const auto spacing = a.spacing_mm();
  const double least = std::min({spacing[0], spacing[1], spacing[2]});
  // The corners of both grids lie within a tenth of a voxel of each other.
  for (int corner = 0; corner < 8; ++corner) {
    for (std::size_t row = 0; row < 3; ++row) {
      double apart = a.affine[row][3] - b.affine[row][3];
      for (std::size_t axis = 0; axis < 3; ++axis) {
        const double at = (corner >> axis & 1) != 0 ? static_cast<double>(a.size[axis] - 1) : 0;
        apart += at * (a.affine[row][axis] - b.affine[row][axis]);
      }
      if (std::abs(apart) > 0.1 * least) return false;
    }
  }
  return true;
}

}  // namespace medseg
