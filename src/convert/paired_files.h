/// \file
/// Images and masks that belong together by their names: the one reader of `pairs` and of the sets
/// in named_sets.cpp.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "medseg/convert/draft.h"
#include "name_pattern.h"
#include "source_files.h"

namespace medseg {

/// One kind of mask file of an image.
struct MaskLayout {
  std::string pattern;
  std::vector<LabelValues> labels;  ///< empty: `{label}` of the name, or "target"
  /// The structures by the fields of the names, where the folder tells them.
  std::function<std::vector<LabelValues>(const NameFields&)> labels_of = {};
};

struct PairLayout {
  std::string images;
  std::vector<MaskLayout> masks;
  std::string split;  ///< of all, where no `{split}` says it
  std::function<std::string(const NameFields&)> modality = {};
};

struct PairSource {
  std::vector<PairLayout> layouts;  ///< all that the set is known in
  std::string modality;
  std::vector<std::string> looked_for;  ///< beside those of the masks
};

/// Volumes become slices. Images without any mask file are skipped.
/// \throws DataError naming the file; ConfigError on patterns.
void read_paired_files(const PairSource& source, Reading& reading);

}  // namespace medseg
