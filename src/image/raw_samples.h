/// \file
/// An image file changed so that a decoder hands out its samples as they are stored.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace medseg {

struct RawSamples {
  std::vector<std::uint8_t> bytes;  ///< the changed file
  int scale = 1;                    ///< a decoded sample is the stored one times this
};

/// Palettes become the ramp of their indices (PNG, BMP, TIFF); grey of 1, 2 and 4 bits is decoded
/// by a known factor.
/// \pre read_picture_header accepted the bytes. \throws DataError on a PNG or TIFF without what its
/// header needs.
RawSamples with_raw_samples(std::span<const std::uint8_t> bytes, const std::string& file, int page);

/// Images in a TIFF file; 1 for every other format.
int count_pages(std::span<const std::uint8_t> bytes, const std::string& file);

/// The file with its page `page` in front. \pre a TIFF that has it.
std::vector<std::uint8_t> tiff_page(std::span<const std::uint8_t> bytes, const std::string& file,
                                    int page);

/// A TIFF that states no orientation: its decoder would follow it without a word. \pre a TIFF.
std::vector<std::uint8_t> without_orientation(std::span<const std::uint8_t> bytes,
                                              const std::string& file);

/// The EXIF orientation, 1 to 8, that a JPEG, PNG or TIFF states; 1 where it states none.
int exif_orientation(std::span<const std::uint8_t> bytes, const std::string& file);

}  // namespace medseg
