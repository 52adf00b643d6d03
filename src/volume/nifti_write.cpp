// Headers of NIfTI-1 and NIfTI-2. https://nifti.nimh.nih.gov/nifti-1, nifti-2
#include "nifti_write.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "gzip.h"
#include "medseg/base/file.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::size_t kHeader1 = 348, kHeader2 = 540;
/// Behind the header: four bytes that say that no extension follows.
constexpr std::size_t kData1 = 352, kData2 = 544;

template <class T>
void set(std::string& header, std::size_t offset, T value, bool swapped) {
  char raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  if (swapped) std::reverse(raw, raw + sizeof(T));
  header.replace(offset, sizeof(T), raw, sizeof(T));
}

/// Where two headers of one version keep what places the voxels: [offset, bytes].
struct Field {
  std::size_t offset, bytes;
};
// pixdim[0…3], units, qform_code, sform_code, quaternion, offsets, srow
constexpr Field kPlacing1[] = {{76, 16}, {123, 1}, {252, 4}, {256, 72}};
constexpr Field kPlacing2[] = {{104, 32}, {344, 8}, {352, 144}, {500, 4}};

/// The header of a NIfTI file in the file's own byte order; "" where the file is something else.
std::string header_like(const std::filesystem::path& like) {
  if (like.empty() || std::filesystem::is_directory(like)) return "";
  auto path = nifti_header_of(like);
  if (path.empty()) path = like;
  const MappedFile file(path);
  const auto bytes = file.bytes();
  std::string head(bytes.begin(),
                   bytes.begin() + static_cast<std::ptrdiff_t>(std::min(bytes.size(), kHeader2)));
  if (is_gzip(bytes)) head = gunzip(bytes, kHeader2, path.string());
  const bool known = is_nifti({reinterpret_cast<const std::uint8_t*>(head.data()), head.size()});
  return known && head.size() >= kHeader1 ? head : "";
}

std::int32_t word_at(const std::string& bytes, std::size_t offset) {
  std::int32_t value = 0;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// What both ways of making a header share.
std::string blank(bool second, bool swapped, const std::array<std::int64_t, 3>& size,
                  std::int64_t dimensions) {
  std::string header(second ? kData2 : kData1, '\0');
  if (second) {
    set<std::int32_t>(header, 0, kHeader2, swapped);
    header.replace(4, 8, std::string("n+2\0\r\n\032\n", 8));
    set<std::int16_t>(header, 12, 2, swapped);
    set<std::int16_t>(header, 14, 8, swapped);
    set<std::int64_t>(header, 16, dimensions, swapped);
    for (std::size_t axis = 0; axis < 7; ++axis)
      set<std::int64_t>(header, 24 + 8 * axis, axis < 3 ? size[axis] : 1, swapped);
    set<std::int64_t>(header, 168, kData2, swapped);
    set<double>(header, 176, 1.0, swapped);
  } else {
    set<std::int32_t>(header, 0, kHeader1, swapped);
    header[38] = 'r';  // "regular": readers of Analyze look for it
    set<std::int16_t>(header, 40, static_cast<std::int16_t>(dimensions), swapped);
    for (std::size_t axis = 0; axis < 7; ++axis) {
      set<std::int16_t>(header, 42 + 2 * axis, static_cast<std::int16_t>(axis < 3 ? size[axis] : 1),
                        swapped);
    }
    set<std::int16_t>(header, 70, 2, swapped);
    set<std::int16_t>(header, 72, 8, swapped);
    set<float>(header, 108, kData1, swapped);
    set<float>(header, 112, 1.0F, swapped);
    header.replace(344, 4, std::string("n+1\0", 4));
  }
  return header;
}

struct Quaternion {
  double b = 0, c = 0, d = 0;
  double handed = 1;   ///< -1: the third axis is mirrored
  bool exact = false;  ///< false: the axes are not at right angles
};

/// As nifti1_io.c, nifti_mat44_to_quatern.
Quaternion quaternion_of(const Volume& volume, const std::array<double, 3>& spacing) {
  double r[3][3];
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t axis = 0; axis < 3; ++axis)
      r[row][axis] = volume.affine[row][axis] / spacing[axis];
  }
  Quaternion q;
  const auto dot = [&](std::size_t a, std::size_t b) {
    return r[0][a] * r[0][b] + r[1][a] * r[1][b] + r[2][a] * r[2][b];
  };
  q.exact = std::abs(dot(0, 1)) < 1e-5 && std::abs(dot(0, 2)) < 1e-5 && std::abs(dot(1, 2)) < 1e-5;
  const double determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                             r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                             r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
  if (determinant < 0) {
    q.handed = -1;
    for (auto& row : r) row[2] = -row[2];
  }
  const double trace = r[0][0] + r[1][1] + r[2][2] + 1;
  if (trace > 0.5) {
    const double a = 0.5 * std::sqrt(trace);
    q.b = 0.25 * (r[2][1] - r[1][2]) / a;
    q.c = 0.25 * (r[0][2] - r[2][0]) / a;
    q.d = 0.25 * (r[1][0] - r[0][1]) / a;
    return q;
  }
  const double x = 1 + r[0][0] - (r[1][1] + r[2][2]);
  const double y = 1 + r[1][1] - (r[0][0] + r[2][2]);
  const double z = 1 + r[2][2] - (r[0][0] + r[1][1]);
  double a = 0;
  if (x > 1) {
    q.b = 0.5 * std::sqrt(x);
    q.c = 0.25 * (r[0][1] + r[1][0]) / q.b;
    q.d = 0.25 * (r[0][2] + r[2][0]) / q.b;
    a = r[2][1] - r[1][2];
  } else if (y > 1) {
    q.c = 0.5 * std::sqrt(y);
    q.b = 0.25 * (r[0][1] + r[1][0]) / q.c;
    q.d = 0.25 * (r[1][2] + r[2][1]) / q.c;
    a = r[0][2] - r[2][0];
  } else {
    q.d = 0.5 * std::sqrt(std::max(z, 1e-12));
    q.b = 0.25 * (r[0][2] + r[2][0]) / q.d;
    q.c = 0.25 * (r[1][2] + r[2][1]) / q.d;
    a = r[1][0] - r[0][1];
  }
  if (a < 0) q.b = -q.b, q.c = -q.c, q.d = -q.d;
  return q;
}

std::string from_affine(const Volume& stored) {
  const auto largest = *std::max_element(stored.size.begin(), stored.size.end());
  const bool second = largest > 32767;
  std::string header = blank(second, false, stored.size, 3);
  const auto spacing = stored.spacing_mm();
  const auto q = quaternion_of(stored, spacing);
  const auto real = [&](std::size_t offset1, std::size_t offset2, std::size_t index, double value) {
    if (second) {
      set<double>(header, offset2 + 8 * index, value, false);
    } else {
      set<float>(header, offset1 + 4 * index, static_cast<float>(value), false);
    }
  };
  real(76, 104, 0, q.handed);
  for (std::size_t axis = 0; axis < 3; ++axis) real(76, 104, axis + 1, spacing[axis]);
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column)
      real(280, 400, 4 * row + column, stored.affine[row][column]);
    real(268, 376, row, stored.affine[row][3]);
  }
  real(256, 352, 0, q.b);
  real(256, 352, 1, q.c);
  real(256, 352, 2, q.d);
  constexpr std::int16_t kScanner = 1;
  if (second) {
    set<std::int32_t>(header, 344, q.exact ? kScanner : 0, false);
    set<std::int32_t>(header, 348, kScanner, false);
    set<std::int32_t>(header, 500, 2, false);  // millimetres
  } else {
    set<std::int16_t>(header, 252, q.exact ? kScanner : std::int16_t{0}, false);
    set<std::int16_t>(header, 254, kScanner, false);
    header[123] = 2;
  }
  return header;
}

}  // namespace

std::string nifti_header(const Volume& stored, const std::filesystem::path& like) {
  const std::string other = header_like(like);
  if (other.empty()) return from_affine(stored);
  const auto size = word_at(other, 0);
  std::int32_t turned = 0;
  for (std::size_t i = 0; i < 4; ++i) reinterpret_cast<char*>(&turned)[i] = other[3 - i];
  const bool second =
      size == static_cast<std::int32_t>(kHeader2) || turned == static_cast<std::int32_t>(kHeader2);
  const bool swapped = size != static_cast<std::int32_t>(second ? kHeader2 : kHeader1);
  // A file of two axes keeps two; further axes count volumes, of which the mask has one.
  std::int64_t dimensions = 3;
  if (stored.size[2] == 1) {
    const std::size_t at = second ? 16 : 40;
    const std::size_t low = swapped ? (second ? 7 : 1) : 0;
    dimensions = std::min<std::int64_t>(3, static_cast<unsigned char>(other[at + low]));
  }
  std::string header = blank(second, swapped, stored.size, dimensions);
  const auto copy = [&](const Field& field) {
    header.replace(field.offset, field.bytes, other, field.offset, field.bytes);
  };
  if (second) {
    for (const auto& field : kPlacing2) copy(field);
  } else {
    for (const auto& field : kPlacing1) copy(field);
  }
  return header;
}

}  // namespace medseg
