#include "medseg/volume/dicom_structures.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>

#include "contours.h"
#include "dicom_file.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/volume/slice_masks.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::string_view kStructureClass = "1.2.840.10008.5.1.4.1.1.481.3";
constexpr DicomTag kRegions{0x3006, 0x0020}, kRegionNumber{0x3006, 0x0022},
    kRegionContours{0x3006, 0x0039}, kReferencedRegion{0x3006, 0x0084}, kContours{0x3006, 0x0040},
    kGeometricType{0x3006, 0x0042}, kContourData{0x3006, 0x0050};

/// grid_from_mm, RAS.
std::array<std::array<double, 4>, 3> inverse(const std::array<std::array<double, 4>, 3>& g) {
  std::array<std::array<double, 4>, 3> out{};
  double determinant = 0;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::size_t b = (a + 1) % 3, c = (a + 2) % 3;
    determinant += g[0][a] * (g[1][b] * g[2][c] - g[1][c] * g[2][b]);
    for (std::size_t row = 0; row < 3; ++row) {
      const std::size_t r1 = (row + 1) % 3, r2 = (row + 2) % 3;
      out[a][row] = g[r1][b] * g[r2][c] - g[r1][c] * g[r2][b];
    }
  }
  for (auto& row : out) {
    for (std::size_t i = 0; i < 3; ++i) {
      row[i] /= determinant;
      row[3] -= row[i] * g[i][3];
    }
  }
  return out;
}

using Point = std::array<double, 3>;

/// Points of a contour as voxels of the grid.
std::vector<Point> points_of(const DicomFile& file, const DicomItem& contour,
                             const std::array<std::array<double, 4>, 3>& grid_from_mm) {
  std::vector<double> numbers;
  for (const auto& piece : split(contour.text(kContourData), '\\')) {
    double value = 0;
    std::istringstream stream(piece);
    if (!(stream >> value) || !std::isfinite(value))
      file.fail("a contour with \"" + piece.substr(0, 20) + "\" for a number");
    numbers.push_back(value);
  }
  if (numbers.empty() || numbers.size() % 3 != 0) file.fail("a contour of half a point");
  std::vector<Point> points;
  for (std::size_t i = 0; i < numbers.size(); i += 3)
    points.push_back({numbers[i], numbers[i + 1], numbers[i + 2]});
  for (auto& p : points) {
    const Point mm = {-p[0], -p[1], p[2]};  // LPS to RAS
    for (std::size_t a = 0; a < 3; ++a) {
      const auto& row = grid_from_mm[a];
      p[a] = row[0] * mm[0] + row[1] * mm[1] + row[2] * mm[2] + row[3];
    }
  }
  return points;
}

/// The axis that a contour does not move along, and the slice there.
std::pair<int, std::int64_t> slice_under(const DicomFile& file, const std::vector<Point>& points,
                                         const std::array<std::int64_t, 3>& size) {
  for (const int axis : {2, 1, 0}) {
    const auto a = static_cast<std::size_t>(axis);
    const auto [low, high] = std::minmax_element(
        points.begin(), points.end(), [&](const Point& p, const Point& q) { return p[a] < q[a]; });
    if ((*high)[a] - (*low)[a] > 0.1) continue;
    const auto slice = std::llround(((*low)[a] + (*high)[a]) / 2);
    if (std::abs((*low)[a] - static_cast<double>(slice)) > 0.25)
      file.fail("a contour between two slices of the image");
    if (slice < 0 || slice >= size[a]) file.fail("a contour outside of the image");
    return {axis, slice};
  }
  file.fail("a contour that lies in no slice of the image");
}

}  // namespace

bool is_dicom_structures(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 1024));
  return is_dicom(bytes) && head.find(kStructureClass) != std::string_view::npos;
}

VoxelMask read_dicom_structure(const std::filesystem::path& path, std::int64_t number,
                               const Volume& grid) {
  const DicomFile file(path);
  std::set<std::int64_t> known;
  for (const auto& region : file.data().all_items(kRegions))
    known.insert(region.integer(kRegionNumber).value_or(-1));
  if (!known.contains(number)) {
    std::vector<std::string> names;
    for (const auto one : known) names.push_back(std::to_string(one));
    file.fail(str_cat("has no region ", number, "; known are ", join_first(names, 20)));
  }
  const auto grid_from_mm = inverse(grid.affine);
  VoxelMask mask(grid.size);
  for (const auto& region : file.data().all_items(kRegionContours)) {
    if (region.integer(kReferencedRegion) != number) continue;
    for (const auto& contour : region.all_items(kContours)) {
      const std::string type = contour.text(kGeometricType);
      if (type == "POINT") continue;
      if (!type.starts_with("CLOSED"))
        file.fail("a contour of the type \"" + type + "\"; closed ones are read");
      const auto points = points_of(file, contour, grid_from_mm);
      const auto [axis, slice] = slice_under(file, points, grid.size);
      const std::size_t across = axis == 0 ? 1 : 0, up = axis == 2 ? 1 : 2;
      // In the view of the slices: both axes run against the voxels.
      Contour seen;
      for (const auto& p : points) {
        seen.push_back({static_cast<double>(grid.size[across] - 1) - p[across],
                        static_cast<double>(grid.size[up] - 1) - p[up]});
      }
      Mask drawn = slice_of(mask, axis, slice);
      flip_within(seen, drawn);
      replace_slice(mask, axis, slice, drawn);
    }
  }
  return mask;
}

}  // namespace medseg
