/// \file
/// Colours of DICOM files: RGB, YBR and palettes (PS3.3 C.7.6.3.1.2, C.7.9).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dicom_values.h"

namespace medseg {

class DicomColours {
 public:
  /// \throws DataError on a photometric interpretation that is not read.
  DicomColours(const DicomFile& file, const DicomPixelFormat& format);

  bool coloured() const { return kind_ != Kind::kGrey; }
  /// Of pixel `at` of a frame's samples, 8 bits each.
  std::array<std::uint8_t, 3> rgb(const std::vector<double>& samples, std::size_t at) const;
  /// Its luminance (ITU-R 601, as Pillow and OpenCV), 0 to 255.
  float grey(const std::vector<double>& samples, std::size_t at) const;

 private:
  enum class Kind { kGrey, kRgb, kYbr, kPalette };
  Kind kind_ = Kind::kGrey;
  double to_8_bit_ = 1;
  std::array<DicomLut, 3> palette_;
};

}  // namespace medseg
