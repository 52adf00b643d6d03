/// \file
/// One reader a format; `read_volume` picks by the bytes.
#pragma once

#include <cctype>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "medseg/volume/volume.h"

namespace medseg {

inline constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 29;  // 2 GiB of float

/// Product of three sizes. \throws DataError when one is below 1 or the product beyond kMaxVoxels.
std::size_t checked_voxels(const std::array<std::int64_t, 3>& size, const std::string& where);

/// \throws DataError if a number is not finite or the columns do not span space.
void check_affine(const std::array<std::array<double, 4>, 3>& affine, const std::string& where);

/// ASCII letters made small; fields and file names are compared so.
inline std::string lower_case(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_nifti(std::span<const std::uint8_t> bytes);
/// `index` chooses a volume of several; `path` is where a pair's other half is looked for.
Volume read_nifti(std::span<const std::uint8_t> bytes, const std::string& where,
                  std::optional<std::int64_t> index = std::nullopt,
                  const std::filesystem::path& path = {});
bool is_nrrd(std::span<const std::uint8_t> bytes);
Volume read_nrrd(std::span<const std::uint8_t> bytes, const std::string& where,
                 std::optional<std::int64_t> index = std::nullopt,
                 const std::filesystem::path& path = {});
bool is_metaimage(std::span<const std::uint8_t> bytes);
Volume read_metaimage(std::span<const std::uint8_t> bytes, const std::string& where,
                      const std::filesystem::path& path = {});
bool is_dicom(std::span<const std::uint8_t> bytes);
Volume read_dicom_file(const std::filesystem::path& path, std::optional<std::int64_t> index);
Volume read_dicom_folder(const std::filesystem::path& folder, std::optional<std::int64_t> index);
/// A DICOM file that holds a segmentation, by its class.
bool is_dicom_segmentation(std::span<const std::uint8_t> bytes);
Volume read_dicom_segmentation(const std::filesystem::path& path,
                               std::optional<std::int64_t> segment);
/// Voxels in a file of their own beside the header: a name in the header's folder. \throws
/// DataError on a path that leaves the folder or a file that is not there.
std::filesystem::path voxel_file(const std::filesystem::path& header, const std::string& name,
                                 const std::string& where);
Volume read_inv3(std::span<const std::uint8_t> bytes, const std::string& where);

}  // namespace medseg
