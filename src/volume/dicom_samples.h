/// \file
/// The stored samples of a DICOM file, frame by frame, whatever its transfer syntax.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dicom_file.h"

namespace medseg {

/// What the file says of its pixels (PS3.3 C.7.6.3).
struct DicomPixelFormat {
  int rows = 0, columns = 0, samples = 1, frames = 1;
  int allocated = 16, stored = 16, high = 15;
  bool is_signed = false, planes = false;  ///< planes: colours one behind the other
  bool real = false;                       ///< float or double pixel data
  std::string photometric;

  std::size_t pixels() const {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  }
  double least() const;  ///< that a stored sample can be
  double greatest() const;
};

class DicomSamples {
 public:
  /// \throws DataError on what contradicts itself, is too large, or no decoder reads. `file` must
  /// outlive this.
  explicit DicomSamples(const DicomFile& file);
  ~DicomSamples();
  DicomSamples(const DicomSamples&) = delete;
  DicomSamples& operator=(const DicomSamples&) = delete;

  /// As decoded: colours may have become RGB by decompressing.
  const DicomPixelFormat& format() const { return format_; }

  /// Samples of frame `index`, those of a pixel together; unused bits are gone.
  void read(int index, std::vector<double>& out) const;

 private:
  void find_bytes();
  void read_jpeg2000(int index, std::vector<double>& out) const;
  void read_bytes(int index, std::vector<double>& out) const;
  double sample(std::size_t at) const;

  const DicomFile& file_;
  DicomPixelFormat format_;
  std::unique_ptr<DcmDataset> decompressed_;  ///< owns `bytes_` where that is not the file's
  std::span<const std::uint8_t> bytes_;
  std::vector<std::vector<std::uint8_t>> streams_;  ///< JPEG 2000, one a frame
  bool swapped_ = false, halved_ = false;  ///< big-endian; two chroma samples for two pixels
};

/// \throws DataError.
DicomPixelFormat dicom_pixel_format(const DicomFile& file);

}  // namespace medseg
