/// \file
/// Finds every fault of a manifest before a training run does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace medseg {

struct Fault {
  std::string file;  ///< manifest
  int line = 0;      ///< 1-based; 0 for the whole file
  std::string what;  ///< "[SEG] count 2, masks 1"
  std::string mend;  ///< how to mend it
};

/// Reads all pictures and masks of all manifests. Never throws for a fault of the data.
/// Checks: form, missing or unreadable files, mask size, empty mask behind [SEG], [SEG] count against masks,
/// unknown mask ids, duplicate ids, absent structure with a mask, a subject in two splits (unless slab),
/// equal pictures in two splits, an empty question, `<image>` missing from or outside the first turn.
std::vector<Fault> examine(const std::vector<std::filesystem::path>& manifests);

}  // namespace medseg
