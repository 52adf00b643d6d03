/// \file
/// Where the frames of one DICOM file lie.
#pragma once

#include <string>
#include <vector>

#include "dicom_geometry.h"
#include "dicom_values.h"

namespace medseg {

struct DicomFrames {
  std::vector<PlacedFrame> places;
  std::vector<DicomFrameGroups> groups;
  bool placed = false;  ///< false: the file does not say; `places` follow from the frames' order
  std::vector<std::string> notes;
};

DicomFrames dicom_frames(const DicomFile& file, const DicomPixelFormat& format);

}  // namespace medseg
