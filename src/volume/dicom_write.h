/// \file
/// Data sets that we write: attributes, items, and what every file repeats of its source.
#pragma once

#include <filesystem>
#include <string>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>

#include "dicom_file.h"

namespace medseg {

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value);
void put_number(DcmItem& item, const DcmTagKey& tag, int value);
/// A new item at the end of `sequence`.
DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence);
void put_code(DcmItem& item, const DcmTagKey& sequence, const std::string& value,
              const std::string& scheme, const std::string& meaning);

/// What the standard repeats of patient, study and frame of reference; UIDs that the source lacks
/// follow from `seed`.
void copy_context(const DicomItem& from, DcmItem& to, const std::string& seed);

/// Explicit VR Little Endian, whole or not at all. \throws DataError.
void save_dicom(DcmFileFormat& file, const std::filesystem::path& path);

}  // namespace medseg
