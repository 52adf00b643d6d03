/// \file
/// The one series of images that a folder holds.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "dicom_geometry.h"
#include "dicom_samples.h"

namespace medseg {

struct DicomSeriesFile {
  std::filesystem::path path;
  PlacedFrame place;
  bool placed = false;
  DicomPixelFormat format;
  std::string class_uid, instance_uid;
};

struct DicomSeries {
  std::vector<DicomSeriesFile> files;
  std::vector<std::string> notes;

  std::vector<PlacedFrame> places() const;
};

/// Files that are no images (structured reports, segmentations, DICOMDIR) and those that are not
/// DICOM are left out. \throws DataError on a folder without an image, or one that holds several
/// series, named by number, modality and count.
DicomSeries dicom_series(const std::filesystem::path& folder);

}  // namespace medseg
