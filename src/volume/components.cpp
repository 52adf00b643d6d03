#include <algorithm>
#include <numeric>

#include "medseg/volume/morphology.h"

namespace medseg {
namespace {

/// Visits the neighbours of voxel v along axes 0 … axes-1 that lie in the box.
template <class Visit>
void for_each_neighbour(std::int64_t v, const std::array<std::int64_t, 3>& size, int axes,
                        Visit visit) {
  std::int64_t stride = 1;
  std::int64_t rest = v;
  for (int axis = 0; axis < axes; ++axis) {
    const std::int64_t along = size[static_cast<std::size_t>(axis)];
    const std::int64_t at = rest % along;
    if (at > 0) visit(v - stride);
    if (at + 1 < along) visit(v + stride);
    rest /= along;
    stride *= along;
  }
}

}  // namespace

Components components(const VoxelMask& mask) {
  Components found;
  found.labels.assign(mask.voxels.size(), 0);
  std::vector<std::int64_t> todo;
  for (std::size_t seed = 0; seed < mask.voxels.size(); ++seed) {
    if (mask.voxels[seed] == 0 || found.labels[seed] != 0) continue;
    const auto label = static_cast<std::int32_t>(found.counts.size() + 1);
    std::int64_t count = 0;
    found.labels[seed] = label;
    todo.push_back(static_cast<std::int64_t>(seed));
    while (!todo.empty()) {
      const std::int64_t v = todo.back();
      todo.pop_back();
      ++count;
      for_each_neighbour(v, mask.size, 3, [&](std::int64_t next) {
        const auto n = static_cast<std::size_t>(next);
        if (mask.voxels[n] == 0 || found.labels[n] != 0) return;
        found.labels[n] = label;
        todo.push_back(next);
      });
    }
    found.counts.push_back(count);
  }
  return found;
}

VoxelMask largest_components(const VoxelMask& mask, int n, double relative_size) {
  MEDSEG_CHECK(n >= 1, "at least one component");
  const Components found = components(mask);
  std::vector<std::size_t> order(found.counts.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return found.counts[a] > found.counts[b]; });
  std::vector<std::uint8_t> keep(found.counts.size() + 1, 0);
  for (std::size_t rank = 0; rank < order.size() && rank < static_cast<std::size_t>(n); ++rank) {
    const auto count = static_cast<double>(found.counts[order[rank]]);
    const auto largest = static_cast<double>(found.counts[order[0]]);
    if (rank == 0 || count > relative_size * largest) keep[order[rank] + 1] = 1;
  }
  VoxelMask result(mask.size);
  for (std::size_t v = 0; v < result.voxels.size(); ++v) {
    result.voxels[v] = keep[static_cast<std::size_t>(found.labels[v])];
  }
  return result;
}

VoxelMask fill_holes_by_slice(const VoxelMask& mask) {
  VoxelMask filled = mask;
  const auto [ni, nj, nk] = mask.size;
  const std::int64_t slice = ni * nj;
  std::vector<std::uint8_t> outside(static_cast<std::size_t>(slice));
  std::vector<std::int64_t> todo;
  for (std::int64_t k = 0; k < nk; ++k) {
    std::uint8_t* voxels = filled.voxels.data() + k * slice;
    std::fill(outside.begin(), outside.end(), std::uint8_t{0});
    const auto reach = [&](std::int64_t v) {
      if (voxels[v] != 0 || outside[static_cast<std::size_t>(v)] != 0) return;
      outside[static_cast<std::size_t>(v)] = 1;
      todo.push_back(v);
    };
    for (std::int64_t i = 0; i < ni; ++i) {
      reach(i);
      reach(slice - ni + i);
    }
    for (std::int64_t j = 0; j < nj; ++j) {
      reach(j * ni);
      reach(j * ni + ni - 1);
    }
    while (!todo.empty()) {
      const std::int64_t v = todo.back();
      todo.pop_back();
      for_each_neighbour(v, mask.size, 2, reach);
    }
    for (std::int64_t v = 0; v < slice; ++v) {
      voxels[v] = outside[static_cast<std::size_t>(v)] == 0;
    }
  }
  return filled;
}

}  // namespace medseg
