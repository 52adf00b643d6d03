// NRRD: header attached or detached; raw, gzip or text.
// https://teem.sourceforge.net/nrrd/format.html
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
    if (end == std::string_view::npos || end > kMaxHeader || at > text.size())
      throw DataError(where + ": NRRD header does not end");
    const auto line = trim(text.substr(at, end - at));
    at = end + 1;
    if (line.empty()) break;  // the voxels follow
    const auto colon = line.find(": ");
    if (line_number > 0 && line[0] != '#' && colon != std::string::npos) {
      header.fields[lower_case(line.substr(0, colon))] = trim(line.substr(colon + 2));
    }
    if (at == text.size()) break;  // a detached header may end without an empty line
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

/// Which axes of the file are the volume's: those with a direction in space, or the last three.
struct Axes {
  std::vector<std::size_t> spatial;     ///< two or three
  std::optional<std::size_t> counting;  ///< counts the volumes of a 4-D file
};

/// The vectors of "space directions"; none for an axis that is not in space.
std::vector<std::optional<std::vector<double>>> directions_of(const std::string& text) {
  std::vector<std::optional<std::vector<double>>> found;
  std::size_t at = 0;
  while (at < text.size()) {
    if (text[at] == '(') {
      const auto end = std::min(text.find(')', at), text.size());
      found.emplace_back(numbers_in(text.substr(at, end - at)));
      at = end + 1;
    } else if (text.compare(at, 4, "none") == 0) {
      found.emplace_back(std::nullopt);
      at += 4;
    } else {
      ++at;
    }
  }
  return found;
}

Axes axes_of(const Header& header, std::size_t dimensions, const std::string& where) {
  Axes axes;
  if (dimensions <= 3) {
    for (std::size_t axis = 0; axis < dimensions; ++axis) axes.spatial.push_back(axis);
    return axes;
  }
  if (dimensions != 4)
    throw DataError(where, str_cat("NRRD of ", dimensions, " dimensions; expected 2 to 4"));
  const auto found = header.fields.find("space directions");
  const auto directions = found == header.fields.end() ? decltype(directions_of("")){}
                                                       : directions_of(lower_case(found->second));
  axes.counting = 0;  // the list of components or layers, which runs fastest
  for (std::size_t axis = 0; axis < directions.size() && axis < 4; ++axis) {
    if (!directions[axis]) axes.counting = axis;
  }
  for (std::size_t axis = 0; axis < 4; ++axis) {
    if (axis != *axes.counting) axes.spatial.push_back(axis);
  }
  return axes;
}

// Columns are "space directions", the origin "space origin"; ours is RAS, NRRD names its own frame.
void read_affine(const Header& header, const Axes& axes, Volume& volume, const std::string& where) {
  std::array<std::array<double, 4>, 3> affine{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  const auto directions = header.fields.find("space directions");
  if (directions != header.fields.end()) {
    const auto vectors = directions_of(lower_case(directions->second));
    for (std::size_t i = 0; i < axes.spatial.size(); ++i) {
      const std::size_t axis = axes.spatial[i];
      const bool good = axis < vectors.size() && vectors[axis] &&
                        (vectors[axis]->size() == 3 || vectors[axis]->size() == 2);
      if (!good) throw DataError(where, "NRRD space directions are not three vectors");
      for (std::size_t row = 0; row < 3; ++row)
        affine[row][i] = row < vectors[axis]->size() ? (*vectors[axis])[row] : 0;
    }
    if (axes.spatial.size() == 2) {  // the third axis of a single slice: across it
      const auto& a = affine;
      const double x = a[1][0] * a[2][1] - a[2][0] * a[1][1];
      const double y = a[2][0] * a[0][1] - a[0][0] * a[2][1];
      const double z = a[0][0] * a[1][1] - a[1][0] * a[0][1];
      const double length = std::max(std::hypot(x, y, z), 1e-12);
      affine[0][2] = x / length, affine[1][2] = y / length, affine[2][2] = z / length;
    }
  } else if (const auto spacings = header.fields.find("spacings");
             spacings != header.fields.end()) {
    std::istringstream stream(spacings->second);
    std::vector<double> numbers;
    for (std::string word; stream >> word;) {
      double value = NAN;  // "NaN" for an axis that is not in space
      std::istringstream(word) >> value;
      numbers.push_back(value);
    }
    for (std::size_t i = 0; i < axes.spatial.size(); ++i) {
      if (axes.spatial[i] >= numbers.size()) continue;
      const double step = numbers[axes.spatial[i]];
      if (std::isfinite(step) && step != 0) affine[i][i] = step;
    }
  }
  if (const auto origin = header.fields.find("space origin"); origin != header.fields.end()) {
    const auto numbers = numbers_in(origin->second);
    for (std::size_t row = 0; row < std::min<std::size_t>(3, numbers.size()); ++row)
      affine[row][3] = numbers[row];
  }
  const auto space = header.fields.find("space");
  const std::string frame = space == header.fields.end() ? "" : lower_case(space->second);
  // A scanner without a stated frame stores rows from the front and columns from the right, as
  // DICOM does: LPS.
  const std::vector<std::string> known = {
      "",    "left-posterior-superior", "lps", "right-anterior-superior",
      "ras", "left-anterior-superior",  "las"};
  if (std::find(known.begin(), known.end(), frame) == known.end())
    throw DataError(where + ": NRRD space \"" + frame + "\"; known are LPS, RAS and LAS");
  const bool left = frame.empty() || frame.starts_with("left") || frame == "lps" || frame == "las";
  const bool posterior =
      frame.empty() || frame.find("posterior") != std::string::npos || frame == "lps";
  for (auto& value : affine[0]) value = left ? -value : value;
  for (auto& value : affine[1]) value = posterior ? -value : value;
  check_affine(affine, where);
  volume.affine = affine;
}

}  // namespace

bool is_nrrd(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 8 && std::equal(bytes.begin(), bytes.begin() + 4, "NRRD");
}

namespace {

/// The voxels behind the header, or in the one file that it names.
std::span<const std::uint8_t> data_of(const Header& header, std::span<const std::uint8_t> bytes,
                                      const std::filesystem::path& path, const std::string& where,
                                      std::optional<MappedFile>& other) {
  for (const char* name : {"data file", "datafile"}) {
    const auto file = header.fields.find(name);
    if (file == header.fields.end()) continue;
    if (file->second.starts_with("LIST") || file->second.find('%') != std::string::npos)
      throw DataError(where, "NRRD with a file a slice; convert it to one file");
    return other.emplace(voxel_file(path, file->second, where)).bytes();
  }
  return bytes.subspan(header.data_begin);
}

double number_of(const Header& header, const char* spaced, const char* joined) {
  auto found = header.fields.find(spaced);
  if (found == header.fields.end()) found = header.fields.find(joined);
  const auto values =
      found == header.fields.end() ? std::vector<double>{} : numbers_in(found->second);
  return values.empty() ? 0.0 : values[0];
}

/// Lines in front of the voxels that belong to something else.
std::span<const std::uint8_t> without_lines(const Header& header,
                                            std::span<const std::uint8_t> data,
                                            const std::string& where) {
  for (double lines = number_of(header, "line skip", "lineskip"); lines >= 1; --lines) {
    const auto end = std::find(data.begin(), data.end(), '\n');
    if (end == data.end()) throw DataError(where, "NRRD line skip lies beyond the file");
    data = data.subspan(static_cast<std::size_t>(end - data.begin()) + 1);
  }
  return data;
}

/// Bytes to skip in front of the voxels, after unpacking; -1 in raw files: the voxels end the file.
std::size_t bytes_skipped(const Header& header, std::size_t size, std::size_t needed, bool raw,
                          const std::string& where) {
  double bytes = number_of(header, "byte skip", "byteskip");
  if (bytes == -1 && raw) bytes = static_cast<double>(size) - static_cast<double>(needed);
  if (!(bytes >= 0 && bytes <= 1e12 && (!raw || bytes <= static_cast<double>(size))))
    throw DataError(where, "NRRD byte skip lies beyond the file");
  return static_cast<std::size_t>(bytes);
}

/// Voxels written as numbers.
std::vector<float> text_voxels(std::span<const std::uint8_t> data, std::size_t count,
                               const std::string& where) {
  if (data.size() / 2 + 1 < count)
    throw DataError(where,
                    str_cat("truncated: ", data.size(), " bytes of text for ", count, " voxels"));
  std::istringstream stream(std::string(data.begin(), data.end()));
  std::vector<float> voxels;
  voxels.reserve(count);
  for (double value = 0; voxels.size() < count && stream >> value;)
    voxels.push_back(static_cast<float>(value));
  if (voxels.size() < count) {
    throw DataError(where, str_cat("truncated: its header promises ", count, " numbers, found ",
                                   voxels.size()));
  }
  return voxels;
}

/// Volume `index` of those that axis `counting` counts; the sizes are the file's.
std::vector<float> one_of(const std::vector<float>& all, const std::vector<std::int64_t>& sizes,
                          std::size_t counting, std::int64_t index) {
  std::int64_t inner = 1, outer = 1;
  for (std::size_t axis = 0; axis < sizes.size(); ++axis) {
    if (axis < counting) inner *= sizes[axis];
    if (axis > counting) outer *= sizes[axis];
  }
  std::vector<float> voxels;
  voxels.reserve(static_cast<std::size_t>(inner * outer));
  for (std::int64_t o = 0; o < outer; ++o) {
    const auto begin = all.begin() + (o * sizes[counting] + index) * inner;
    voxels.insert(voxels.end(), begin, begin + inner);
  }
  return voxels;
}

}  // namespace

Volume read_nrrd(std::span<const std::uint8_t> bytes, const std::string& where,
                 std::optional<std::int64_t> index, const std::filesystem::path& path) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const Header header = read_header(text, where);
  const auto sizes = numbers_in(field(header, "sizes", where));
  const auto stated = numbers_in(field(header, "dimension", where));
  if (stated.size() != 1 || stated[0] != static_cast<double>(sizes.size()) || sizes.size() < 2)
    throw DataError(where, "NRRD dimension and sizes do not match, or are below 2");
  const Axes axes = axes_of(header, sizes.size(), where);
  std::vector<std::int64_t> all_sizes;
  for (const double size : sizes) {
    if (!(size >= 1 && size <= 1e6 && size == std::floor(size)))
      throw DataError(where + ": NRRD sizes are out of range");
    all_sizes.push_back(static_cast<std::int64_t>(size));
  }
  Volume volume;
  volume.size = {1, 1, 1};
  for (std::size_t i = 0; i < axes.spatial.size(); ++i) volume.size[i] = all_sizes[axes.spatial[i]];
  const std::int64_t volumes = axes.counting ? all_sizes[*axes.counting] : 1;
  auto with_all = volume.size;
  checked_voxels(volume.size, where);
  with_all[2] *= volumes;
  const auto count = checked_voxels(with_all, where);
  if (volumes > 1 && !index) {
    throw DataError(where, str_cat("has ", volumes,
                                   " volumes (4-D); say which one: \"slice\": {…, "
                                   "\"volume\": 0 to ",
                                   volumes - 1, "}"));
  }
  if (index && (*index < 0 || *index >= volumes))
    throw DataError(where, str_cat("volume ", *index, " is out of range: the file has ", volumes));

  const auto name = lower_case(field(header, "type", where));
  const auto type = types().find(name);
  if (type == types().end())
    throw DataError(where + ": NRRD type \"" + name + "\" is not supported");
  const std::size_t width = width_of(type->second);
  const auto encoding = lower_case(field(header, "encoding", where));
  const bool as_text = encoding == "text" || encoding == "txt" || encoding == "ascii";
  const bool packed = encoding == "gzip" || encoding == "gz";
  if (!as_text && !packed && encoding != "raw") {
    throw DataError(where + ": NRRD encoding \"" + encoding + "\", known are raw, gzip and text" +
                    (encoding.starts_with("bz") ? "; save it as gzip" : ""));
  }
  const std::string order =
      width > 1 && !as_text ? lower_case(field(header, "endian", where)) : "little";
  if (order != "little" && order != "big")
    throw DataError(where + ": NRRD endian \"" + order + "\", known are little and big");
  const bool swapped = order == "big";

  std::optional<MappedFile> other;
  auto data = data_of(header, bytes, path, where, other);
  data = without_lines(header, data, where);
  const auto skip = bytes_skipped(header, data.size(), count * width, !packed && !as_text, where);
  std::string unpacked;
  if (packed) {
    check_can_unpack(data, skip + count * width, where);
    unpacked = gunzip(data, skip + count * width, where);
    data = {reinterpret_cast<const std::uint8_t*>(unpacked.data()), unpacked.size()};
  }
  data = data.subspan(std::min(skip, data.size()));
  if (as_text) {
    volume.voxels = text_voxels(data, count, where);
  } else {
    if (data.size() < count * width) {
      throw DataError(str_cat(where, ": truncated: its header promises ", count * width,
                              " bytes of voxels, found ", data.size()));
    }
    volume.voxels = decode_voxels({reinterpret_cast<const char*>(data.data()), data.size()}, count,
                                  type->second, swapped);
  }
  if (volumes > 1) volume.voxels = one_of(volume.voxels, all_sizes, *axes.counting, *index);
  read_affine(header, axes, volume, where);
  return volume;
}

}  // namespace medseg
