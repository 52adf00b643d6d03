/// \file
/// Slices of a volume and its label volume as drafts.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/convert/draft.h"

namespace medseg {

struct VolumeCase {
  std::string name;  ///< of the records' ids
  std::filesystem::path image, labels;
  std::optional<std::int64_t> volume;  ///< of a 4-D image
  std::string subject, split, modality, channel;
};

/// One draft a chosen slice: slices that show a structure, every `options.every`-th of them, and
/// for each `1 / options.absent` of those one that shows none. A structure is absent from a slice
/// only if the three slices on either side do not show it either. Labels on another grid than the
/// image are skipped with their reason. \throws DataError naming the file.
void add_slices(const VolumeCase& one, const std::vector<LabelValues>& labels, Reading& reading);

}  // namespace medseg
