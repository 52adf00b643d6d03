// InVesalius projects: a gzipped tar of main.plist, matrix.dat (int16, slice by slice) and
// mask_N.dat. https://github.com/invesalius/invesalius3 (invesalius/project.py)
#include <cstring>
#include <map>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "raw_voxels.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::uint64_t kMaxArchive = 1ULL << 31;
constexpr std::size_t kBlock = 512;

// Regular files of a ustar archive by their last name.
std::map<std::string, std::string_view> tar_files(std::string_view archive,
                                                  const std::string& where) {
  std::map<std::string, std::string_view> files;
  for (std::size_t at = 0; at + kBlock <= archive.size() && archive[at] != '\0';) {
    const auto header = archive.substr(at, kBlock);
    std::uint64_t size = 0;
    for (const char digit : header.substr(124, 11)) {
      if (digit < '0' || digit > '7') throw DataError(where + ": damaged tar header");
      size = size * 8 + static_cast<std::uint64_t>(digit - '0');
    }
    at += kBlock;
    if (size > archive.size() - at) throw DataError(where + ": truncated tar archive");
    const std::string name(header.data(), strnlen(header.data(), 100));
    if (header[156] == '0' || header[156] == '\0')
      files[name.substr(name.rfind('/') + 1)] = archive.substr(at, size);
    at += (size + kBlock - 1) / kBlock * kBlock;
  }
  return files;
}

std::string_view file_of(const std::map<std::string, std::string_view>& files,
                         const std::string& name, const std::string& where) {
  const auto found = files.find(name);
  if (found == files.end()) throw DataError(where + ": no " + name + " inside");
  return found->second;
}

// All <integer>, <real> and <string> texts of the value behind <key>name</key>, up to the next key.
std::vector<std::string> plist_values(std::string_view plist, const std::string& name) {
  std::vector<std::string> values;
  auto at = plist.find("<key>" + name + "</key>");
  if (at == std::string_view::npos) return values;
  at += name.size() + 11;
  const auto end = std::min(plist.find("<key>", at), plist.size());
  while (at < end) {
    const auto open = plist.find('<', at);
    if (open >= end) break;
    const auto close = plist.find('>', open);
    if (close == std::string_view::npos || close >= end) break;
    const auto tag = plist.substr(open + 1, close - open - 1);
    at = close + 1;
    if (tag != "integer" && tag != "real" && tag != "string") continue;
    const auto stop = plist.find('<', at);
    if (stop == std::string_view::npos) break;
    values.emplace_back(plist.substr(at, stop - at));
    at = stop;
  }
  return values;
}

double number(const std::string& text, const std::string& where) {
  try {
    return std::stod(text);
  } catch (const std::exception&) {
    throw DataError(where + ": main.plist: \"" + text + "\" is no number");
  }
}

struct Geometry {
  std::array<std::int64_t, 3> size{};  // i, j, k
  std::array<double, 3> spacing{};
};

Geometry geometry_of(std::string_view plist, const std::string& where) {
  const auto shape = plist_values(plist, "matrix_shape");  // k, j, i
  auto all_shape = shape;
  if (all_shape.empty()) {  // the shape stands inside the dictionary "matrix"
    all_shape = plist_values(plist, "shape");
  }
  auto spacing = plist_values(plist, "spacing");
  if (all_shape.size() != 3 || spacing.size() != 3)
    throw DataError(where + ": main.plist: no shape and spacing of the matrix");
  const auto dtype = plist_values(plist, "dtype");
  if (!dtype.empty() && dtype.front() != "int16")
    throw DataError(where + ": main.plist: matrix of " + dtype.front() + ", expected int16");
  Geometry geometry;
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const double size = number(all_shape[2 - axis], where);
    if (!(size >= 1 && size < 1e5)) throw DataError(where + ": main.plist: shape is out of range");
    geometry.size[axis] = static_cast<std::int64_t>(size);
    geometry.spacing[axis] = number(spacing[axis], where);
    if (!(geometry.spacing[axis] > 0 && geometry.spacing[axis] < 1e5))
      throw DataError(where + ": main.plist: spacing is out of range");
  }
  return geometry;
}

// Rows run from the back of the head to its front, slices upwards; columns as on a radiologist's
// screen.
Volume empty_volume(const Geometry& geometry) {
  Volume volume;
  volume.size = geometry.size;
  volume.affine = {{{-geometry.spacing[0], 0, 0, 0},
                    {0, geometry.spacing[1], 0, 0},
                    {0, 0, geometry.spacing[2], 0}}};
  return volume;
}

}  // namespace

Volume read_inv3(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto archive = gunzip(bytes, kMaxArchive, where);
  const auto files = tar_files(archive, where);
  const auto geometry = geometry_of(file_of(files, "main.plist", where), where);
  const auto count = checked_voxels(geometry.size, where);
  const auto matrix = file_of(files, "matrix.dat", where);
  if (matrix.size() != 2 * count) {
    throw DataError(
        str_cat(where, ": matrix.dat has ", matrix.size(), " bytes, its shape needs ", 2 * count));
  }
  auto volume = empty_volume(geometry);
  volume.voxels = decode_voxels(matrix, count, VoxelType::kI16, /*swapped=*/false);
  return volume;
}

Volume read_inv3_mask(const std::filesystem::path& path, int index) {
  const std::string where = path.string();
  const MappedFile file(path);
  const auto archive = gunzip(file.bytes(), kMaxArchive, where);
  const auto files = tar_files(archive, where);
  auto volume = empty_volume(geometry_of(file_of(files, "main.plist", where), where));
  const auto name = str_cat("mask_", index, ".dat");
  const auto mask = file_of(files, name, where);
  // One extra plane, row and column at the front hold edit flags.
  const std::array<std::int64_t, 3> padded = {volume.size[0] + 1, volume.size[1] + 1,
                                              volume.size[2] + 1};
  if (mask.size() != checked_voxels(padded, where)) {
    throw DataError(str_cat(where, ": ", name, " has ", mask.size(), " bytes, its shape needs ",
                            checked_voxels(padded, where)));
  }
  volume.voxels.resize(checked_voxels(volume.size, where));
  std::size_t out = 0;
  for (std::int64_t k = 1; k < padded[2]; ++k) {
    for (std::int64_t j = 1; j < padded[1]; ++j) {
      const auto* row = mask.data() + (k * padded[1] + j) * padded[0];
      for (std::int64_t i = 1; i < padded[0]; ++i)
        volume.voxels[out++] = static_cast<unsigned char>(row[i]) > 127 ? 1.0F : 0.0F;
    }
  }
  return volume;
}

std::vector<std::string> inv3_mask_names(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto archive = gunzip(file.bytes(), kMaxArchive, path.string());
  const auto files = tar_files(archive, path.string());
  std::vector<std::string> names;
  for (int index = 0; files.contains(str_cat("mask_", index, ".dat")); ++index) {
    const auto plist = files.find(str_cat("mask_", index, ".plist"));
    const auto values =
        plist == files.end() ? std::vector<std::string>{} : plist_values(plist->second, "name");
    names.push_back(values.empty() ? "" : values.front());
  }
  return names;
}

}  // namespace medseg
