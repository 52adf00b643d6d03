/// \file
/// From stored samples to the values of a volume: modality LUT, VOI LUT, MONOCHROME1, padding
/// (PS3.3 C.11.1, C.11.2, C.7.6.3.1.2, C.7.5.1.1.2).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "dicom_samples.h"
#include "medseg/volume/window.h"

namespace medseg {

/// A table whose first entry stands for `first`; what lies outside takes the nearest entry.
struct DicomLut {
  double first = 0;
  int bits = 16;
  std::vector<std::uint16_t> table;

  double at(double value) const;
};

/// The item of functional group `group` that holds for a frame: its own, or all frames'.
struct DicomFrameGroups {
  DicomItem own, shared;
  DicomItem group(DicomTag tag) const {
    const auto found = own.item(tag);
    return found ? found : shared.item(tag);
  }
};

class DicomValues {
 public:
  /// \throws DataError on a table that contradicts itself.
  DicomValues(const DicomFile& file, const DicomFrameGroups& groups,
              const DicomPixelFormat& format);

  /// Not a number for padding.
  float at(double stored) const;
  const std::optional<Window>& window() const { return window_; }  ///< of these values
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void read_scaling(const DicomItem& data, const DicomFrameGroups& groups);
  void read_voi(const DicomFile& file, const DicomFrameGroups& groups);
  double scaled(double stored) const;

  double slope_ = 1, intercept_ = 0;
  std::optional<DicomLut> modality_, voi_;
  std::optional<double> sigmoid_centre_;
  double sigmoid_width_ = 1;
  std::optional<double> padding_low_, padding_high_;
  std::optional<double> mirror_;  ///< least + greatest: MONOCHROME1
  std::optional<Window> window_;
  std::vector<std::string> notes_;
};

/// A look-up table from its item. \throws DataError.
DicomLut dicom_lut(const DicomFile& file, const DicomItem& item, DicomTag descriptor, DicomTag data,
                   bool signed_first);

}  // namespace medseg
