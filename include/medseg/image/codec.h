/// \file
/// Image files. The format is told by the first bytes, never by the name: PNG, JPEG, TIFF, BMP.
#pragma once

#include <filesystem>
#include <variant>

#include "medseg/image/image.h"

namespace medseg {

/// What an image file holds, turned upright as its EXIF orientation says.
struct FileImage {
  std::variant<Image, Image16> pixels;
  int exif_orientation = 1;  ///< 1 to 8; 1 is upright, from 5 on width and height change places
};

/// 8-bit grey or RGB (alpha dropped, palettes resolved), or 16-bit grey. A TIFF of several pages
/// needs `page`.
/// \throws DataError naming the file: missing, no image format, truncated, or larger than 2^28
/// pixels.
FileImage read_image_file(const std::filesystem::path& path,
                          std::optional<int> page = std::nullopt);

/// The pixels alone.
std::variant<Image, Image16> read_picture(const std::filesystem::path& path);

/// 8-bit image; 16-bit grey is shown by its own range (`own_range`).
Image read_image(const std::filesystem::path& path);

/// Mask from an image file by its stored samples: sample != 0, or == `value` when given
/// (mask_file.h has all choices).
Mask read_mask(const std::filesystem::path& path, std::optional<int> value = std::nullopt);

/// Lossless PNG bytes; masks are written as 0 and 255.
std::string encode_png(const Image& image);
std::string encode_png(const Mask& mask);
void write_png(const std::filesystem::path& path, const Image& image);
void write_png(const std::filesystem::path& path, const Mask& mask);

}  // namespace medseg
