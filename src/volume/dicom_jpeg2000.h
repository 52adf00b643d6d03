/// \file
/// JPEG 2000 codestreams of DICOM files through OpenJPEG.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace medseg {

struct Jpeg2000Image {
  int width = 0, height = 0, samples = 0;
  std::vector<std::int32_t> values;  ///< samples of a pixel together; signed where the stream is
};

/// \throws DataError if it cannot be decoded, or is of another size than `width` x `height` (told
/// before anything is allocated).
Jpeg2000Image decode_jpeg2000(std::span<const std::uint8_t> bytes, int width, int height,
                              int samples, const std::string& where);

}  // namespace medseg
