/// \file
/// Where the files of records are, seen from the manifest.
#pragma once

#include <filesystem>
#include <vector>

#include "medseg/convert/options.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

/// Files of the records become relative to `options.out`; with `options.copy` they are copied into
/// `folder` (which will be `options.out`), images below `images/`, masks below `masks/`. Files that
/// stand in `folder` already stay there.
/// \throws DataError where a file cannot be copied: one of several parts, a DICOM series.
void place_files(std::vector<Record>& records, const ConvertOptions& options,
                 const std::filesystem::path& folder);

}  // namespace medseg
