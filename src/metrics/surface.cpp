#include "medseg/metrics/surface.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "medseg/base/str.h"
#include "surfel_normals.h"

namespace medseg {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// A part of a mask with a border of empty cells, one byte a cell: neighbours need no bounds.
struct Cells {
  GridSize size{};
  std::vector<std::uint8_t> set;

  std::int64_t index(std::int64_t z, std::int64_t y, std::int64_t x) const {
    return (z * size[1] + y) * size[2] + x;
  }
};

// The box that holds both masks. \pre one of them holds something.
GridBox common_box(const PackedMask& a, const PackedMask& b) {
  const auto first = a.box(), second = b.box();
  if (!first) return *second;
  if (!second) return *first;
  GridBox box = *first;
  for (std::size_t i = 0; i < 3; ++i) {
    box.low[i] = std::min(box.low[i], second->low[i]);
    box.high[i] = std::max(box.high[i], second->high[i]);
  }
  return box;
}

Cells cells_of(const PackedMask& mask, const GridBox& box, Dimensions dimensions) {
  const std::int64_t deep = dimensions == Dimensions::kVolume ? 1 : 0;  // border planes
  Cells cells{{box.high[0] - box.low[0] + 2 * deep, box.high[1] - box.low[1] + 2,
               box.high[2] - box.low[2] + 2},
              {}};
  cells.set.resize(static_cast<std::size_t>(cells.size[0] * cells.size[1] * cells.size[2]));
  const auto& size = mask.size();
  for (std::int64_t z = box.low[0]; z < box.high[0]; ++z) {
    for (std::int64_t y = box.low[1]; y < box.high[1]; ++y) {
      const std::int64_t row = (z * size[1] + y) * size[2];
      std::uint8_t* out =
          cells.set.data() + cells.index(z - box.low[0] + deep, y - box.low[1] + 1, 1);
      for (std::int64_t x = box.low[2]; x < box.high[2];) {  // to the end of a word at a time
        const std::int64_t start = row + x;
        const std::int64_t count = std::min(64 - (start & 63), box.high[2] - x);
        const std::uint64_t bits =
            mask.words()[static_cast<std::size_t>(start >> 6)] >> (start & 63);
        for (std::int64_t k = 0; k < count; ++k) out[k] = static_cast<std::uint8_t>(bits >> k & 1U);
        x += count;
        out += count;
      }
    }
  }
  return cells;
}

// One surface: which cells of a grid are its elements, and how large each is (empty: 1 each).
struct Surface {
  GridSize size{};
  std::vector<std::uint8_t> elements;
  std::vector<double> sizes;
};

// The mask less its erosion by the cross.
Surface edges_of(const Cells& cells, Dimensions dimensions) {
  Surface surface{cells.size, std::vector<std::uint8_t>(cells.set.size()), {}};
  const std::int64_t row = cells.size[2], plane = cells.size[1] * row;
  const std::int64_t deep = dimensions == Dimensions::kVolume ? 1 : 0;
  for (std::int64_t z = deep; z < cells.size[0] - deep; ++z) {
    for (std::int64_t y = 1; y < cells.size[1] - 1; ++y) {
      const std::int64_t start = cells.index(z, y, 0);
      for (std::int64_t i = start + 1; i < start + row - 1; ++i) {
        const std::uint8_t* here = cells.set.data() + i;
        if (*here == 0) continue;
        const bool flat = here[-1] != 0 && here[1] != 0 && here[-row] != 0 && here[row] != 0;
        const bool inside = flat && (deep == 0 || (here[-plane] != 0 && here[plane] != 0));
        surface.elements[static_cast<std::size_t>(i)] = inside ? 0 : 1;
      }
    }
  }
  return surface;
}

double contour_length(unsigned code, const GridSpacing& spacing) {
  const double diagonal = std::hypot(spacing[1], spacing[2]);
  switch (code) {
    case 0b0011:
    case 0b1100:
      return spacing[2];
    case 0b0101:
    case 0b1010:
      return spacing[1];
    case 0b0110:
    case 0b1001:
      return diagonal;
    default:
      return 0.5 * diagonal;
  }
}

double surfel_area(unsigned code, const GridSpacing& spacing) {
  const auto& normals = kSurfelNormals[code];
  double area = 0;
  for (std::size_t n = 0; n < normals.size(); n += 3) {
    const double z = normals[n] / 8.0 * spacing[1] * spacing[2];
    const double y = normals[n + 1] / 8.0 * spacing[0] * spacing[2];
    const double x = normals[n + 2] / 8.0 * spacing[0] * spacing[1];
    area += std::sqrt(z * z + y * y + x * x);
  }
  return area;
}

// Corners between cells: corner i lies between the cells i and i + 1 of the bordered grid.
Surface surfels_of(const Cells& cells, const GridSpacing& spacing, Dimensions dimensions) {
  const bool volume = dimensions == Dimensions::kVolume;
  Surface surface;
  surface.size = {volume ? cells.size[0] - 1 : 1, cells.size[1] - 1, cells.size[2] - 1};
  const auto count = static_cast<std::size_t>(surface.size[0] * surface.size[1] * surface.size[2]);
  surface.elements.resize(count);
  surface.sizes.resize(count);
  std::vector<double> size_of(volume ? 256 : 16);
  for (unsigned code = 0; code < size_of.size(); ++code)
    size_of[code] = volume ? surfel_area(code, spacing) : contour_length(code, spacing);
  std::size_t corner = 0;
  const std::size_t planes = volume ? 2 : 1;
  for (std::int64_t z = 0; z < surface.size[0]; ++z) {
    for (std::int64_t y = 0; y < surface.size[1]; ++y) {
      // Of each plane the cells left of the corner: bit 2 above it, bit 0 below.
      std::array<const std::uint8_t*, 2> rows{};
      std::array<unsigned, 2> left{};
      const auto pair_at = [&](std::size_t plane, std::int64_t x) {
        const std::uint8_t* here = rows[plane] + x;
        return static_cast<unsigned>(here[0] << 2 | here[cells.size[2]]);
      };
      for (std::size_t plane = 0; plane < planes; ++plane) {
        rows[plane] = cells.set.data() + cells.index(z + static_cast<std::int64_t>(plane), y, 0);
        left[plane] = pair_at(plane, 0);
      }
      for (std::int64_t x = 0; x < surface.size[2]; ++x, ++corner) {
        unsigned code = 0;
        for (std::size_t plane = 0; plane < planes; ++plane) {
          const unsigned right = pair_at(plane, x + 1);
          code = code << 4 | left[plane] << 1 | right;
          left[plane] = right;
        }
        if (code == 0 || code + 1 == size_of.size()) continue;
        surface.elements[corner] = 1;
        surface.sizes[corner] = size_of[code];
      }
    }
  }
  return surface;
}

// The elements of an image's surface row by row: rims hold few, so that the nearest one is found
// sooner in a few rows than by a distance for every cell.
class RowIndex {
 public:
  explicit RowIndex(const Surface& surface)
      : begin_(static_cast<std::size_t>(surface.size[1]) + 1), height_(surface.size[1]) {
    std::size_t cell = 0;
    for (std::int64_t y = 0; y < height_; ++y) {
      for (std::int64_t x = 0; x < surface.size[2]; ++x, ++cell) {
        if (surface.elements[cell] != 0) columns_.push_back(static_cast<double>(x));
      }
      begin_[static_cast<std::size_t>(y) + 1] = columns_.size();
    }
  }

  // The square of the distance to the nearest element; infinite where there is none.
  double square_to(std::int64_t y, std::int64_t x, const GridSpacing& spacing) const {
    double best = kInfinite;
    for (std::int64_t apart = 0; apart < height_; ++apart) {
      const double down = spacing[1] * static_cast<double>(apart);
      if (down * down >= best) break;
      for (const std::int64_t row : {y - apart, y + apart}) {
        if (row < 0 || row >= height_) continue;
        const double side = spacing[2] * nearest_in_row(row, static_cast<double>(x));
        best = std::min(best, down * down + side * side);
      }
    }
    return best;
  }

 private:
  double nearest_in_row(std::int64_t row, double x) const {
    const auto first =
        columns_.begin() + static_cast<std::ptrdiff_t>(begin_[static_cast<std::size_t>(row)]);
    const auto last =
        columns_.begin() + static_cast<std::ptrdiff_t>(begin_[static_cast<std::size_t>(row) + 1]);
    const auto right = std::lower_bound(first, last, x);
    double nearest = right == last ? kInfinite : *right - x;
    if (right != first) nearest = std::min(nearest, x - *(right - 1));
    return nearest;
  }

  std::vector<std::size_t> begin_;  // of each row, and behind the last
  std::vector<double> columns_;
  std::int64_t height_;
};

// The square of the distance of each element of `from`, cell by cell, to the nearest of `to`.
std::vector<double> element_squares(const Surface& from, const Surface& to,
                                    const GridSpacing& spacing) {
  std::vector<double> found;
  if (to.size[0] > 1) {
    const auto squares = squared_distances(to.elements, to.size, spacing);
    for (std::size_t i = 0; i < squares.size(); ++i) {
      if (from.elements[i] != 0) found.push_back(squares[i]);
    }
    return found;
  }
  const RowIndex index(to);
  std::size_t cell = 0;
  for (std::int64_t y = 0; y < from.size[1]; ++y) {
    for (std::int64_t x = 0; x < from.size[2]; ++x, ++cell) {
      if (from.elements[cell] != 0) found.push_back(index.square_to(y, x, spacing));
    }
  }
  return found;
}

// Each element of `from` with its distance to the nearest element of `to`, ascending.
std::vector<SurfaceElement> distances(const Surface& from, const Surface& to,
                                      const GridSpacing& spacing) {
  const auto squares = element_squares(from, to, spacing);
  std::vector<SurfaceElement> elements;
  elements.reserve(squares.size());
  for (std::size_t i = 0; i < from.elements.size(); ++i) {
    if (from.elements[i] == 0) continue;
    elements.push_back(
        {std::sqrt(squares[elements.size()]), from.sizes.empty() ? 1.0 : from.sizes[i]});
  }
  std::sort(elements.begin(), elements.end(), [](const auto& a, const auto& b) {
    return a.distance != b.distance ? a.distance < b.distance : a.size < b.size;
  });
  return elements;
}

template <class SurfaceOf>
SurfaceDistances surfaces(const PackedMask& predicted, const PackedMask& reference,
                          const GridSpacing& spacing, Dimensions dimensions, SurfaceOf surface_of) {
  MEDSEG_CHECK(predicted.size() == reference.size(), "surfaces of masks of two sizes");
  MEDSEG_CHECK(dimensions == Dimensions::kVolume || predicted.size()[0] == 1,
               "an image of several planes");
  if (predicted.empty() && reference.empty()) return {};
  const GridBox box = common_box(predicted, reference);
  const auto p = surface_of(cells_of(predicted, box, dimensions));
  const auto r = surface_of(cells_of(reference, box, dimensions));
  return {distances(p, r, spacing), distances(r, p, spacing)};
}

double sum_of_distances(const std::vector<SurfaceElement>& elements) {
  double sum = 0;
  for (const auto& element : elements) sum += element.distance;
  return sum;
}

// The share `q` of the elements, linear between ranks as numpy.
double linear_quantile(const std::vector<SurfaceElement>& elements, double q) {
  const double rank = q * static_cast<double>(elements.size() - 1);
  const auto low = static_cast<std::size_t>(rank);
  const auto high = std::min(low + 1, elements.size() - 1);
  const double part = rank - static_cast<double>(low);
  return elements[low].distance + part * (elements[high].distance - elements[low].distance);
}

double total_size(const std::vector<SurfaceElement>& elements) {
  double total = 0;
  for (const auto& element : elements) total += element.size;
  return total;
}

double size_within(const std::vector<SurfaceElement>& elements, double tolerance) {
  double within = 0;
  for (const auto& element : elements) {
    if (element.distance > tolerance) break;
    within += element.size;
  }
  return within;
}

// The distance that the share `q` of the surface does not exceed.
double surface_quantile(const std::vector<SurfaceElement>& elements, double q) {
  const double wanted = q * total_size(elements) * (1 - 1e-12);
  double seen = 0;
  for (const auto& element : elements) {
    seen += element.size;
    if (seen >= wanted) return element.distance;
  }
  return elements.back().distance;
}

double within_tolerance(const SurfaceDistances& surfaces, double tolerance) {
  return (size_within(surfaces.from_predicted, tolerance) +
          size_within(surfaces.from_reference, tolerance)) /
         (total_size(surfaces.from_predicted) + total_size(surfaces.from_reference));
}

}  // namespace

SurfaceDistances monai_surfaces(const PackedMask& predicted, const PackedMask& reference,
                                const GridSpacing& spacing, Dimensions dimensions) {
  return surfaces(predicted, reference, spacing, dimensions,
                  [&](const Cells& cells) { return edges_of(cells, dimensions); });
}

SurfaceDistances deepmind_surfaces(const PackedMask& predicted, const PackedMask& reference,
                                   const GridSpacing& spacing, Dimensions dimensions) {
  return surfaces(predicted, reference, spacing, dimensions,
                  [&](const Cells& cells) { return surfels_of(cells, spacing, dimensions); });
}

SurfaceScores surface_scores(const PackedMask& predicted, const PackedMask& reference,
                             const GridSpacing& spacing, Dimensions dimensions,
                             double tolerance_mm) {
  const bool p = !predicted.empty(), r = !reference.empty();
  if (!p && !r) return {kNan, kNan, kNan, kNan, kNan, kNan, kNan};
  if (!p || !r) return {kInfinite, kNan, kInfinite, kInfinite, 0, kInfinite, 0};
  const auto monai = monai_surfaces(predicted, reference, spacing, dimensions);
  const auto& a = monai.from_predicted;
  const auto& b = monai.from_reference;
  SurfaceScores scores;
  scores.hd = std::max(a.back().distance, b.back().distance);
  scores.hd95_monai = std::max(linear_quantile(a, 0.95), linear_quantile(b, 0.95));
  scores.asd = sum_of_distances(a) / static_cast<double>(a.size());
  scores.assd =
      (sum_of_distances(a) + sum_of_distances(b)) / static_cast<double>(a.size() + b.size());
  scores.nsd_monai = within_tolerance(monai, tolerance_mm);
  const auto deepmind = deepmind_surfaces(predicted, reference, spacing, dimensions);
  scores.hd95_deepmind = std::max(surface_quantile(deepmind.from_predicted, 0.95),
                                  surface_quantile(deepmind.from_reference, 0.95));
  scores.nsd_deepmind = within_tolerance(deepmind, tolerance_mm);
  return scores;
}

SurfaceScores worst_case_scores(const SurfaceScores& scores, const GridSize& size,
                                const GridSpacing& spacing, Dimensions dimensions) {
  if (std::isfinite(scores.hd)) return scores;
  double square = 0;
  for (std::size_t a = dimensions == Dimensions::kVolume ? 0 : 1; a < 3; ++a)
    square += std::pow(static_cast<double>(size[a]) * spacing[a], 2);
  const double diagonal = std::sqrt(square);
  return {diagonal, diagonal, diagonal, diagonal, 0, diagonal, 0};
}

}  // namespace medseg
