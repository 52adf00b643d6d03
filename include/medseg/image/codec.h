/// \file
/// Picture files. The format is told by the first bytes, never by the name: PNG, JPEG, TIFF, BMP.
#pragma once

#include <filesystem>
#include <variant>

#include "medseg/image/image.h"

namespace medseg {

/// What the file holds: 8-bit grey or RGB (alpha dropped, palettes resolved), or 16-bit grey.
/// \throws DataError naming the file: missing, no picture format, truncated, or larger than 2^28 pixels.
std::variant<Image, Image16> read_picture(const std::filesystem::path& path);

/// 8-bit picture; 16-bit grey without a window becomes v >> 8 (semantics.md 10).
Image read_image(const std::filesystem::path& path);

/// Mask from a lossless picture: pixel != 0, or == `value` when given. JPEG is refused.
/// \throws DataError naming the file, as above, or if it has more than one channel.
Mask read_mask(const std::filesystem::path& path, std::optional<int> value = std::nullopt);

/// Lossless PNG bytes; masks are written as 0 and 255.
std::string encode_png(const Image& image);
std::string encode_png(const Mask& mask);
void write_png(const std::filesystem::path& path, const Image& image);
void write_png(const std::filesystem::path& path, const Mask& mask);

}  // namespace medseg
