// Which reader a file needs, by its first bytes.
#include <algorithm>

#include "gzip.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/volume/volume.h"
#include "readers.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

std::span<const std::uint8_t> bytes_of(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::optional<VolumeFormat> format_of(std::span<const std::uint8_t> bytes,
                                      const std::string& where) {
  if (is_nrrd(bytes)) return VolumeFormat::kNrrd;
  if (is_nifti(bytes)) return VolumeFormat::kNifti;
  if (is_metaimage(bytes)) return VolumeFormat::kMetaImage;
  if (is_dicom(bytes)) {
    return is_dicom_segmentation(bytes) ? VolumeFormat::kDicomSegmentation : VolumeFormat::kDicom;
  }
  if (is_gzip(bytes)) {
    const auto head = gunzip(bytes, 600, where);
    if (is_nifti(bytes_of(head))) return VolumeFormat::kNifti;
    if (is_nrrd(bytes_of(head))) return VolumeFormat::kNrrd;
    if (head.size() > 262 && head.compare(257, 5, "ustar") == 0) return VolumeFormat::kInvesalius;
  }
  return std::nullopt;
}

/// Of files that other programs call volumes.
std::string named_by_content(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return ": an empty file";
  const auto number = [&](std::size_t at) {
    return bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16 | bytes[at + 3] << 24;
  };
  if (bytes.size() == 348 && (number(0) == 348 || number(0) == 0x5c010000))
    return ": an Analyze 7.5 header, which does not say left from right; convert it to NIfTI";
  const auto starts = [&](std::string_view magic) {
    return bytes.size() >= magic.size() &&
           std::equal(magic.begin(), magic.end(), bytes.begin(),
                      [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
  };
  if (starts("\x89HDF")) return ": HDF5 (MINC-2, …); convert it to NIfTI";
  if (starts("\x93NUMPY")) return ": a NumPy array, which has no spacing; convert it to NIfTI";
  if (starts("PK\x03\x04")) return ": a zip file; unpack it first";
  return "";
}

}  // namespace

std::optional<VolumeFormat> volume_format(const fs::path& path) {
  if (fs::is_directory(path)) return VolumeFormat::kDicomFolder;
  const MappedFile file(path);
  const auto found = format_of(file.bytes(), path.string());
  if (!found && !nifti_header_of(path).empty()) return VolumeFormat::kNifti;
  return found;
}

Volume read_volume(const fs::path& path, std::optional<std::int64_t> index) {
  const std::string where = path.string();
  if (fs::is_directory(path)) return read_dicom_folder(path, index);
  const MappedFile file(path);
  const auto format = format_of(file.bytes(), where);
  if (!format) {
    if (const auto header = nifti_header_of(path); !header.empty()) {
      const MappedFile other(header);
      const auto other_format = format_of(other.bytes(), header.string());
      if (other_format == VolumeFormat::kNifti)
        return read_nifti(other.bytes(), header.string(), index, header);
    }
    throw DataError(where, "no known volume" + named_by_content(file.bytes()) +
                               "; known are NIfTI, NRRD, MetaImage, DICOM and InVesalius projects");
  }
  const auto only_one = [&] {
    if (index.value_or(0) != 0)
      throw DataError(where, str_cat("volume ", *index, " is out of range: the file has 1"));
  };
  switch (*format) {
    case VolumeFormat::kNrrd: {
      if (!is_gzip(file.bytes())) return read_nrrd(file.bytes(), where, index, path);
      const auto unpacked = gunzip(file.bytes(), std::uint64_t{1} << 32, where);
      return read_nrrd(bytes_of(unpacked), where, index, path);
    }
    case VolumeFormat::kNifti:
      return read_nifti(file.bytes(), where, index, path);
    case VolumeFormat::kMetaImage:
      only_one();
      return read_metaimage(file.bytes(), where, path);
    case VolumeFormat::kInvesalius:
      only_one();
      return read_inv3(file.bytes(), where);
    case VolumeFormat::kDicom:
      return read_dicom_file(path, index);
    case VolumeFormat::kDicomSegmentation:
      return read_dicom_segmentation(path, index);
    case VolumeFormat::kDicomFolder:
      break;
  }
  return read_dicom_folder(path, index);
}

fs::path voxel_file(const fs::path& header, const std::string& name, const std::string& where) {
  const fs::path relative(name);
  const bool leaves =
      relative.is_absolute() || std::any_of(relative.begin(), relative.end(),
                                            [](const fs::path& part) { return part == ".."; });
  if (leaves || name.empty()) {
    throw DataError(
        where, "its voxels are in \"" + name + "\"; expected a file in the folder of the header");
  }
  const fs::path path = header.parent_path() / relative;
  std::error_code error;
  if (!fs::is_regular_file(path, error))
    throw DataError(where, "its voxels are in \"" + name + "\", which is not beside it");
  return path;
}

}  // namespace medseg
