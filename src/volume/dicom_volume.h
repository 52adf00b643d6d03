/// \file
/// An opened DICOM file as a volume.
#pragma once

#include "dicom_file.h"
#include "medseg/volume/volume.h"

namespace medseg {

Volume read_dicom(const DicomFile& file, std::optional<std::int64_t> index);
Volume read_segmentation(const DicomFile& file, std::optional<std::int64_t> segment);

}  // namespace medseg
