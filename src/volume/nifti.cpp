// NIfTI-1 and NIfTI-2, single file or pair, plain or gzip. https://nifti.nimh.nih.gov/nifti-1,
// nifti-2
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "raw_voxels.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::size_t kHeader1 = 348, kHeader2 = 540;

/// Header fields at their offsets, in the file's byte order.
class Header {
 public:
  Header(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {
    if (bytes.size() < kHeader1)
      fail(str_cat("truncated: ", bytes.size(), " bytes, a NIfTI header has ", kHeader1));
    const auto size = get<std::int32_t>(0);
    swapped_ =
        size != static_cast<std::int32_t>(kHeader1) && size != static_cast<std::int32_t>(kHeader2);
    const auto own = get<std::int32_t>(0);
    second_ = own == static_cast<std::int32_t>(kHeader2);
    if (own != static_cast<std::int32_t>(kHeader1) && !second_)
      fail(str_cat("NIfTI header size ", size, ", expected 348 or 540"));
    if (second_ && bytes.size() < kHeader2) fail("truncated NIfTI-2 header");
  }

  bool second() const { return second_; }
  bool swapped() const { return swapped_; }

  template <class T>
  T get(std::size_t offset) const {
    char raw[sizeof(T)];
    std::memcpy(raw, bytes_.data() + offset, sizeof(T));
    if (swapped_) std::reverse(raw, raw + sizeof(T));
    T value;
    std::memcpy(&value, raw, sizeof(T));
    return value;
  }
  double real(std::size_t offset1, std::size_t offset2, std::size_t index = 0) const {
    return second_ ? get<double>(offset2 + 8 * index)
                   : static_cast<double>(get<float>(offset1 + 4 * index));
  }
  std::int64_t dimension(std::size_t index) const {
    return second_ ? get<std::int64_t>(16 + 8 * index) : get<std::int16_t>(40 + 2 * index);
  }
  int type() const { return get<std::int16_t>(second_ ? 12 : 70); }
  int qform() const { return second_ ? get<std::int32_t>(344) : get<std::int16_t>(252); }
  int units() const { return second_ ? get<std::int32_t>(500) : get<std::uint8_t>(123); }
  int sform() const { return second_ ? get<std::int32_t>(348) : get<std::int16_t>(254); }
  [[noreturn]] void fail(const std::string& what) const { throw DataError(where_ + ": " + what); }

 private:
  std::string_view bytes_;
  std::string where_;
  bool swapped_ = false, second_ = false;
};

std::optional<VoxelType> voxel_type(int code) {
  switch (code) {
    case 2:
      return VoxelType::kU8;
    case 4:
      return VoxelType::kI16;
    case 8:
      return VoxelType::kI32;
    case 16:
      return VoxelType::kF32;
    case 64:
      return VoxelType::kF64;
    case 256:
      return VoxelType::kI8;
    case 512:
      return VoxelType::kU16;
    case 768:
      return VoxelType::kU32;
    case 1024:
      return VoxelType::kI64;
    case 1280:
      return VoxelType::kU64;
    default:
      return std::nullopt;
  }
}

/// What a data type that is no grey value holds, for the message.
std::string foreign_type(int code) {
  switch (code) {
    case 1:
      return "single bits";
    case 32:
    case 1792:
    case 2048:
      return "complex numbers";
    case 128:
    case 2304:
      return "RGB colours";
    case 1536:
      return "128-bit floats";
    default:
      return "unknown";
  }
}

std::array<std::array<double, 4>, 3> qform_affine(const Header& header) {
  double b = header.real(256, 352, 0), c = header.real(256, 352, 1), d = header.real(256, 352, 2);
  const double imaginary = b * b + c * c + d * d;
  if (!(imaginary < 1.0 + 1e-5))
    header.fail("contradictory header: its qform quaternion is longer than 1");
  if (imaginary > 1.0) {  // half a turn, rounded: a = 0
    const double length = std::sqrt(imaginary);
    b /= length, c /= length, d /= length;
  }
  const double a = std::sqrt(std::max(0.0, 1.0 - imaginary));
  const double rotation[3][3] = {
      {a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)},
      {2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)},
      {2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c}};
  const double handed = header.real(76, 104, 0) < 0 ? -1.0 : 1.0;
  std::array<std::array<double, 4>, 3> affine{};
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 3; ++column) {
      const double step = std::abs(header.real(76, 104, column + 1)) * (column == 2 ? handed : 1.0);
      affine[row][column] = rotation[row][column] * step;
    }
    affine[row][3] = header.real(268, 376, row);
  }
  return affine;
}

/// Some writers set the code of the sform and leave its matrix 0.
bool spans_space(const Header& header) {
  for (std::size_t i = 0; i < 12; ++i) {
    if (header.real(280, 400, i) != 0) return true;
  }
  return false;
}

// sform before qform before plain voxel sizes, as the standard ranks them.
std::array<std::array<double, 4>, 3> affine_of(const Header& header, std::size_t extent,
                                               const std::string& header_name) {
  std::array<std::array<double, 4>, 3> affine{};
  const bool placed_by_sform = header.sform() > 0 && (spans_space(header) || header.qform() <= 0);
  if (placed_by_sform) {
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 4; ++column)
        affine[row][column] = header.real(280, 400, 4 * row + column);
    }
  } else if (header.qform() > 0) {
    affine = qform_affine(header);
  } else {
    // No orientation at all: as nibabel, columns run to the left (the Analyze habit), origin in the
    // middle.
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double size = axis < extent ? static_cast<double>(header.dimension(axis + 1)) : 1.0;
      affine[axis][axis] = std::abs(header.real(76, 104, axis + 1)) * (axis == 0 ? -1 : 1);
      affine[axis][3] = -affine[axis][axis] * (size - 1) / 2;
    }
  }
  const int unit = header.units() & 7;  // 1 metre, 2 millimetre, 3 micrometre, 0 not said
  const double mm = unit == 1 ? 1000.0 : unit == 3 ? 0.001 : 1.0;
  for (auto& row : affine) {
    for (double& value : row) value *= mm;
  }
  check_affine(affine, header_name);
  return affine;
}

}  // namespace

bool is_nifti(std::span<const std::uint8_t> bytes) {
  const auto magic_at = [&](std::size_t offset, const char* magic) {
    return bytes.size() >= offset + 3 && std::memcmp(bytes.data() + offset, magic, 3) == 0;
  };
  return magic_at(344, "n+1") || magic_at(4, "n+2") || magic_at(344, "ni1") || magic_at(4, "ni2");
}

namespace {

/// What a header promises, before any voxel is read.
struct Layout {
  Volume volume;
  VoxelType type = VoxelType::kU8;
  bool swapped = false, pair = false;
  std::size_t count = 0;         ///< voxels of one volume
  std::uint64_t data_begin = 0;  ///< of the chosen volume
  Scaling scaling;
};

/// Voxels of the volumes in front of the chosen one. 4-D and more: the last axes count volumes.
std::int64_t volumes_before(const Header& header, std::size_t dimensions,
                            std::optional<std::int64_t> index) {
  std::int64_t volumes = 1;
  for (std::size_t axis = 3; axis < dimensions; ++axis) {
    const auto size = header.dimension(axis + 1);
    if (size < 1 || size > 1 << 20)
      header.fail(str_cat("has ", size, " volumes along axis ", axis));
    volumes *= size;
    if (volumes > 1 << 20) header.fail("has more than 2^20 volumes");
  }
  if (volumes > 1 && !index) {
    header.fail(str_cat("has ", volumes,
                        " volumes (4-D); say which one: \"slice\": {…, \"volume\": 0 to ",
                        volumes - 1, "}"));
  }
  if (index && (*index < 0 || *index >= volumes))
    header.fail(str_cat("volume ", *index, " is out of range: the file has ", volumes));
  return index.value_or(0);
}

Layout layout_of(std::string_view view, const std::string& where,
                 std::optional<std::int64_t> index) {
  const Header header(view, where);
  if (!is_nifti(std::span(reinterpret_cast<const std::uint8_t*>(view.data()), view.size())))
    header.fail("no NIfTI magic");
  Layout layout;
  layout.pair = view.substr(header.second() ? 4 : 344, 2) == "ni";
  layout.swapped = header.swapped();
  const auto dimensions = header.dimension(0);
  if (dimensions < 1 || dimensions > 7)
    header.fail(str_cat("NIfTI with ", dimensions, " dimensions"));
  layout.volume.size = {1, 1, 1};
  for (std::size_t axis = 0; axis < std::min<std::size_t>(3, static_cast<std::size_t>(dimensions));
       ++axis)
    layout.volume.size[axis] = header.dimension(axis + 1);
  layout.count = checked_voxels(layout.volume.size, where);
  const auto before = volumes_before(header, static_cast<std::size_t>(dimensions), index);
  const auto type = voxel_type(header.type());
  if (!type) {
    header.fail(str_cat("NIfTI data type ", header.type(), " (", foreign_type(header.type()),
                        ") is not supported; expected one real number a voxel"));
  }
  layout.type = *type;
  layout.volume.affine = affine_of(header, static_cast<std::size_t>(dimensions), where);
  const int bits = header.get<std::int16_t>(header.second() ? 14 : 72);
  if (bits != 0 && bits != static_cast<int>(8 * width_of(*type))) {
    header.fail(str_cat("contradictory header: ", bits, " bits a voxel, data type ", header.type(),
                        " has ", 8 * width_of(*type)));
  }
  double offset = header.second() ? static_cast<double>(header.get<std::int64_t>(168))
                                  : static_cast<double>(header.get<float>(108));
  if (!layout.pair) {
    const double least = static_cast<double>(header.second() ? kHeader2 : kHeader1);
    if (offset == 0)
      offset = header.second() ? 544 : 352;  // not filled in: right behind the header
    if (!(offset >= least && offset < 1e9)) header.fail(str_cat("voxels at byte ", offset));
  } else if (!(offset >= 0 && offset < 1e9)) {
    header.fail(str_cat("voxels at byte ", offset));
  }
  layout.data_begin = static_cast<std::uint64_t>(offset) +
                      static_cast<std::uint64_t>(before) * layout.count * width_of(*type);
  const double slope = header.real(112, 176), intercept = header.real(116, 184);
  if (slope != 0 && std::isfinite(slope)) {  // 0 stands for "not scaled"
    if (!std::isfinite(intercept)) header.fail("contradictory header: slope without an intercept");
    layout.scaling = {slope, intercept};
  }
  return layout;
}

Volume decoded(Layout layout, std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto data_end = layout.data_begin + layout.count * width_of(layout.type);
  std::string unpacked;
  std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_gzip(bytes)) {
    check_can_unpack(bytes, data_end, where);
    unpacked = gunzip(bytes, data_end, where);
    view = unpacked;
  }
  if (view.size() < data_end) {
    throw DataError(
        where, str_cat("truncated: its header promises ", data_end, " bytes, found ", view.size()));
  }
  layout.volume.voxels = decode_voxels(view.substr(layout.data_begin), layout.count, layout.type,
                                       layout.swapped, layout.scaling);
  return std::move(layout.volume);
}

/// The other half of a pair: its name with another ending, in any case, plain or gzip.
std::filesystem::path partner_of(const std::filesystem::path& path, const std::string& ending) {
  std::string stem = lower_case(path.filename().string());
  if (stem.ends_with(".gz")) stem.resize(stem.size() - 3);
  if (const auto dot = stem.rfind('.'); dot != std::string::npos) stem.resize(dot);
  std::error_code error;
  const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = lower_case(entry.path().filename().string());
    if (name == stem + ending || name == stem + ending + ".gz") return entry.path();
  }
  return {};
}

}  // namespace

std::filesystem::path nifti_header_of(const std::filesystem::path& image) {
  std::string name = lower_case(image.filename().string());
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  return name.ends_with(".img") ? partner_of(image, ".hdr") : std::filesystem::path();
}

Volume read_nifti(std::span<const std::uint8_t> bytes, const std::string& where,
                  std::optional<std::int64_t> index, const std::filesystem::path& path) {
  std::string unpacked;
  std::string_view view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (is_gzip(bytes)) {
    unpacked = gunzip(bytes, kHeader2, where);
    view = unpacked;
  }
  Layout layout = layout_of(view, where, index);
  if (!layout.pair) return decoded(std::move(layout), bytes, where);
  const auto image = path.empty() ? path : partner_of(path, ".img");
  if (image.empty()) {
    throw DataError(
        where, "the header of a NIfTI pair; its voxels (.img of the same name) are not beside it");
  }
  const MappedFile voxels(image);
  return decoded(std::move(layout), voxels.bytes(), image.string());
}

}  // namespace medseg
