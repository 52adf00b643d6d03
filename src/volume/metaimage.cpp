// MetaImage: a text header with its voxels behind it (.mha) or in a file beside it (.mhd).
// https://itk.org/Wiki/ITK/MetaIO/Documentation
#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "raw_voxels.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::size_t kMaxHeader = 1 << 16;

const std::map<std::string, VoxelType>& types() {
  static const std::map<std::string, VoxelType> table = {
      {"MET_CHAR", VoxelType::kI8},       {"MET_UCHAR", VoxelType::kU8},
      {"MET_SHORT", VoxelType::kI16},     {"MET_USHORT", VoxelType::kU16},
      {"MET_INT", VoxelType::kI32},       {"MET_UINT", VoxelType::kU32},
      {"MET_LONG", VoxelType::kI32},      {"MET_ULONG", VoxelType::kU32},
      {"MET_LONG_LONG", VoxelType::kI64}, {"MET_ULONG_LONG", VoxelType::kU64},
      {"MET_FLOAT", VoxelType::kF32},     {"MET_DOUBLE", VoxelType::kF64}};
  return table;
}

class Header {
 public:
  /// Lines "Key = value" up to ElementDataFile, behind which the voxels begin.
  Header(std::string_view text, std::string where) : where_(std::move(where)) {
    while (at_ < text.size() && at_ < kMaxHeader) {
      const auto end = std::min(text.find('\n', at_), text.size());
      const auto line = text.substr(at_, end - at_);
      at_ = std::min(end + 1, text.size());
      const auto equals = line.find('=');
      if (equals == std::string_view::npos) continue;
      const std::string key = trim(line.substr(0, equals));
      fields_[key] = trim(line.substr(equals + 1));
      if (key == "ElementDataFile") return;
    }
    fail("MetaImage header without ElementDataFile");
  }

  [[noreturn]] void fail(const std::string& reason) const { throw DataError(where_, reason); }
  std::size_t data_begin() const { return at_; }

  /// The first of several names of one field; "" where none is there.
  std::string text(std::initializer_list<const char*> names) const {
    for (const char* name : names) {
      const auto found = fields_.find(name);
      if (found != fields_.end()) return found->second;
    }
    return "";
  }
  bool yes(std::initializer_list<const char*> names) const {
    const std::string value = text(names);
    return !value.empty() && (value[0] == 'T' || value[0] == 't' || value[0] == '1');
  }
  std::vector<double> numbers(std::initializer_list<const char*> names, std::size_t count) const {
    std::istringstream stream(text(names));
    std::vector<double> found;
    for (double value = 0; stream >> value;) found.push_back(value);
    if (!found.empty() && found.size() != count)
      fail(str_cat("MetaImage ", *names.begin(), " has ", found.size(), " numbers, expected ",
                   count));
    return found;
  }

 private:
  std::string where_;
  std::map<std::string, std::string> fields_;
  std::size_t at_ = 0;
};

/// MetaImage's frame is LPS, as DICOM's; ours is RAS. Row a of TransformMatrix is the direction of
/// axis a.
void read_affine(const Header& header, std::size_t dimensions, Volume& volume,
                 const std::string& where) {
  auto spacing = header.numbers({"ElementSpacing", "ElementSize"}, dimensions);
  auto origin = header.numbers({"Offset", "Position", "Origin"}, dimensions);
  const auto matrix =
      header.numbers({"TransformMatrix", "Rotation", "Orientation"}, dimensions * dimensions);
  spacing.resize(3, 1);
  origin.resize(3, 0);
  if (header.text({"ElementSpacing", "ElementSize"}).empty()) spacing = {1, 1, 1};
  for (std::size_t row = 0; row < 3; ++row) {
    const double sign = row < 2 ? -1 : 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const bool stated = !matrix.empty() && row < dimensions && axis < dimensions;
      const double direction = stated ? matrix[axis * dimensions + row] : row == axis ? 1 : 0;
      volume.affine[row][axis] = sign * direction * spacing[axis];
    }
    volume.affine[row][3] = sign * origin[row];
  }
  check_affine(volume.affine, where);
}

}  // namespace

bool is_metaimage(std::span<const std::uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 1024));
  const auto first = text.substr(0, text.find('\n'));
  return text.find("NDims") != std::string_view::npos &&
         first.find('=') != std::string_view::npos &&
         (first.starts_with("ObjectType") || first.starts_with("NDims") ||
          first.starts_with("Comment") || first.starts_with("ObjectSubType"));
}

Volume read_metaimage(std::span<const std::uint8_t> bytes, const std::string& where,
                      const std::filesystem::path& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Header header(text, where);
  const auto dimensions = header.text({"NDims"});
  if (dimensions != "2" && dimensions != "3")
    header.fail("MetaImage of " + dimensions + " dimensions; expected 2 or 3");
  const std::size_t n = dimensions == "2" ? 2 : 3;
  const auto channels = header.text({"ElementNumberOfChannels"});
  if (!channels.empty() && channels != "1")
    header.fail("MetaImage of " + channels + " values a voxel; expected one");
  const auto sizes = header.numbers({"DimSize"}, n);
  if (sizes.empty()) header.fail("MetaImage field DimSize is missing");
  Volume volume;
  volume.size = {1, 1, 1};
  for (std::size_t axis = 0; axis < n; ++axis) {
    if (!(sizes[axis] >= 1 && sizes[axis] <= 1e6 && sizes[axis] == std::floor(sizes[axis])))
      header.fail("MetaImage DimSize is out of range");
    volume.size[axis] = static_cast<std::int64_t>(sizes[axis]);
  }
  const auto count = checked_voxels(volume.size, where);
  const auto type = types().find(header.text({"ElementType"}));
  if (type == types().end()) {
    header.fail("MetaImage ElementType \"" + header.text({"ElementType"}) +
                "\"; expected one real number a voxel");
  }
  if (header.text({"BinaryData"}).starts_with("F"))
    header.fail("MetaImage of text voxels; expected BinaryData = True");
  read_affine(header, n, volume, where);
  const auto needed = count * width_of(type->second);

  const auto file = header.text({"ElementDataFile"});
  if (file == "LIST" || file.find('%') != std::string::npos)
    header.fail("MetaImage with a file a slice; convert it to one .mha");
  std::optional<MappedFile> other;
  std::string voxels_where = where;
  auto data = bytes.subspan(header.data_begin());
  if (file != "LOCAL") {
    const auto other_path = voxel_file(path, file, where);
    voxels_where = other_path.string();
    data = other.emplace(other_path).bytes();
  }
  std::string unpacked;
  if (header.yes({"CompressedData"})) {
    check_can_unpack(data, needed, voxels_where);
    unpacked = gunzip(data, needed, voxels_where);
    data = {reinterpret_cast<const std::uint8_t*>(unpacked.data()), unpacked.size()};
  } else if (const auto skip = header.numbers({"HeaderSize"}, 1); !skip.empty() && skip[0] != 0) {
    // -1: the voxels are the last bytes of the file.
    const double begin =
        skip[0] < 0 ? static_cast<double>(data.size()) - static_cast<double>(needed) : skip[0];
    if (!(begin >= 0 && begin <= static_cast<double>(data.size())))
      header.fail("MetaImage HeaderSize lies beyond the file");
    data = data.subspan(static_cast<std::size_t>(begin));
  }
  if (data.size() < needed) {
    throw DataError(voxels_where, str_cat("truncated: its header promises ", needed,
                                          " bytes of voxels, found ", data.size()));
  }
  const bool big = header.yes({"BinaryDataByteOrderMSB", "ElementByteOrderMSB"});
  volume.voxels = decode_voxels({reinterpret_cast<const char*>(data.data()), data.size()}, count,
                                type->second, big);
  return volume;
}

}  // namespace medseg
