// NRRD, attached header, raw or gzip. https://teem.sourceforge.net/nrrd/format.html
#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "raw_voxels.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::size_t kMaxHeader = 1 << 20;

const std::map<std::string, VoxelType>& types() {
  static const std::map<std::string, VoxelType> table = {
      {"uchar", VoxelType::kU8},
      {"unsigned char", VoxelType::kU8},
      {"uint8", VoxelType::kU8},
      {"uint8_t", VoxelType::kU8},
      {"signed char", VoxelType::kI8},
      {"int8", VoxelType::kI8},
      {"int8_t", VoxelType::kI8},
      {"short", VoxelType::kI16},
      {"int16", VoxelType::kI16},
      {"int16_t", VoxelType::kI16},
      {"signed short", VoxelType::kI16},
      {"short int", VoxelType::kI16},
      {"ushort", VoxelType::kU16},
      {"unsigned short", VoxelType::kU16},
      {"uint16", VoxelType::kU16},
      {"uint16_t", VoxelType::kU16},
      {"signed short int", VoxelType::kI16},
      {"unsigned short int", VoxelType::kU16},
      {"long long", VoxelType::kI64},
      {"signed long long", VoxelType::kI64},
      {"long long int", VoxelType::kI64},
      {"signed long long int", VoxelType::kI64},
      {"unsigned long long", VoxelType::kU64},
      {"unsigned long long int", VoxelType::kU64},
      {"int", VoxelType::kI32},
      {"int32", VoxelType::kI32},
      {"int32_t", VoxelType::kI32},
      {"signed int", VoxelType::kI32},
      {"uint", VoxelType::kU32},
      {"unsigned int", VoxelType::kU32},
      {"uint32", VoxelType::kU32},
      {"uint32_t", VoxelType::kU32},
      {"longlong", VoxelType::kI64},
      {"int64", VoxelType::kI64},
      {"int64_t", VoxelType::kI64},
      {"ulonglong", VoxelType::kU64},
      {"uint64", VoxelType::kU64},
      {"uint64_t", VoxelType::kU64},
      {"float", VoxelType::kF32},
      {"double", VoxelType::kF64}};
  return table;
}

struct Header {
  std::map<std::string, std::string> fields;
  std::size_t data_begin = 0;
};

Header read_header(std::string_view text, const std::string& where) {
  Header header;
  std::size_t at = 0;
  for (int line_number = 0;; ++line_number) {
    const auto end = text.find('\n', at);
    if (end == std::string_view::npos || end > kMaxHeader)
      throw DataError(where + ": NRRD header does not end");
    const auto line = trim(text.substr(at, end - at));
    at = end + 1;
    if (line.empty()) break;  // the voxels follow
    const auto colon = line.find(": ");
    if (line_number > 0 && line[0] != '#' && colon != std::string::npos) {
      header.fields[line.substr(0, colon)] = trim(line.substr(colon + 2));
    }
  }
  header.data_begin = at;
  return header;
}

std::string field(const Header& header, const std::string& name, const std::string& where) {
  const auto found = header.fields.find(name);
  if (found == header.fields.end())
    throw DataError(where + ": NRRD field \"" + name + "\" is missing");
  return found->second;
}

std::vector<double> numbers_in(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '(' || c == ')' || c == ','; }, ' ');
  std::istringstream stream(text);
  std::vector<double> numbers;
  for (double value = 0; stream >> value;) numbers.push_back(value);
  return numbers;
}

// Columns are "space directions", the origin "space origin"; ours is RAS, NRRD names its own frame.
void read_affine(const Header& header, Volume& volume, const std::string& where) {
  std::array<std::array<double, 4>, 3> affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  const auto directions = header.fields.find("space directions");
  if (directions != header.fields.end()) {
    const auto numbers = numbers_in(directions->second);
    if (numbers.size() != 9)
      throw DataError(where + ": NRRD space directions are not three vectors");
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (std::size_t row = 0; row < 3; ++row) affine[row][axis] = numbers[3 * axis + row];
    }
  } else if (const auto spacings = header.fields.find("spacings");
             spacings != header.fields.end()) {
    const auto numbers = numbers_in(spacings->second);
    for (std::size_t axis = 0; axis < std::min<std::size_t>(3, numbers.size()); ++axis) {
      if (std::isfinite(numbers[axis]) && numbers[axis] != 0) affine[axis][axis] = numbers[axis];
    }
  }
  if (const auto origin = header.fields.find("space origin"); origin != header.fields.end()) {
    const auto numbers = numbers_in(origin->second);
    for (std::size_t row = 0; row < std::min<std::size_t>(3, numbers.size()); ++row)
      affine[row][3] = numbers[row];
  }
  const auto space = header.fields.find("space");
  const std::string frame = space == header.fields.end() ? "" : space->second;
  // A scanner without a stated frame stores rows from the front and columns from the right, as DICOM does: LPS.
  const std::vector<std::string> known = {
      "",    "left-posterior-superior", "LPS", "right-anterior-superior",
      "RAS", "left-anterior-superior",  "LAS"};
  if (std::find(known.begin(), known.end(), frame) == known.end())
    throw DataError(where + ": NRRD space \"" + frame + "\"; known are LPS, RAS and LAS");
  const bool left = frame.empty() || frame.starts_with("left") || frame == "LPS" || frame == "LAS";
  const bool posterior =
      frame.empty() || frame.find("posterior") != std::string::npos || frame == "LPS";
  for (auto& value : affine[0]) value = left ? -value : value;
  for (auto& value : affine[1]) value = posterior ? -value : value;
  check_affine(affine, where);
  volume.affine = affine;
}

}  // namespace

bool is_nrrd(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 8 && std::equal(bytes.begin(), bytes.begin() + 4, "NRRD");
}

Volume read_nrrd(std::span<const std::uint8_t> bytes, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto header = read_header(text, where);
  if (header.fields.contains("data file") || header.fields.contains("datafile")) {
    throw DataError(where + ": voxels in a separate file are not supported");
  }
  for (const char* skip : {"line skip", "lineskip", "byte skip", "byteskip"}) {
    const auto found = header.fields.find(skip);
    if (found != header.fields.end() && found->second != "0")
      throw DataError(str_cat(where, ": NRRD field \"", skip, "\" is not supported"));
  }
  const auto sizes = numbers_in(field(header, "sizes", where));
  if (const auto dimension = numbers_in(field(header, "dimension", where));
      dimension.size() != 1 || dimension[0] != static_cast<double>(sizes.size())) {
    throw DataError(str_cat(where, ": contradictory NRRD header: dimension ",
                            header.fields.at("dimension"), ", sizes ", header.fields.at("sizes")));
  }
  if (sizes.size() < 2 || sizes.size() > 3)
    throw DataError(where + ": NRRD with sizes \"" + header.fields.at("sizes") +
                    "\", three are expected");
  Volume volume;
  volume.size = {1, 1, 1};
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    if (!(sizes[axis] >= 1 && sizes[axis] <= 1e6 && sizes[axis] == std::floor(sizes[axis])))
      throw DataError(where + ": NRRD sizes are out of range");
    volume.size[axis] = static_cast<std::int64_t>(sizes[axis]);
  }
  const auto count = checked_voxels(volume.size, where);
  const auto name = field(header, "type", where);
  const auto type = types().find(name);
  if (type == types().end())
    throw DataError(where + ": NRRD type \"" + name + "\" is not supported");
  const std::size_t width = width_of(type->second);
  const std::string order = width > 1 ? field(header, "endian", where) : "little";
  if (order != "little" && order != "big")
    throw DataError(where + ": NRRD endian \"" + order + "\", known are little and big");
  const bool swapped = order == "big";

  const auto encoding = field(header, "encoding", where);
  std::string unpacked;
  std::string_view data = text.substr(header.data_begin);
  if (encoding == "gzip" || encoding == "gz") {
    check_can_unpack(bytes.subspan(header.data_begin), count * width, where);
    unpacked = gunzip(bytes.subspan(header.data_begin), count * width, where);
    data = unpacked;
  } else if (encoding != "raw") {
    throw DataError(where + ": NRRD encoding \"" + encoding + "\", known are raw and gzip");
  }
  if (data.size() < count * width) {
    throw DataError(str_cat(where, ": truncated: its header promises ", count * width,
                            " bytes of voxels, found ", data.size()));
  }
  volume.voxels = decode_voxels(data, count, type->second, swapped);
  read_affine(header, volume, where);
  return volume;
}

}  // namespace medseg
