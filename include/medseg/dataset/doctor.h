/// \file
/// Finds every fault of a manifest before a training run does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "medseg/dataset/fault.h"

namespace medseg {

struct Fault {
  std::string file;  ///< manifest
  int line = 0;      ///< 1-based; 0 for the whole file
  FaultKind kind = FaultKind::kMalformedRecord;
  std::string what;  ///< "[SEG] count 2, masks 1"
  std::string mend;  ///< how to mend it
};

/// At most 1000 of a kind are kept each; the rest are counted.
struct Findings {
  std::vector<Fault> faults;    ///< a run would stop at these, or its numbers would be false
  std::vector<Fault> warnings;  ///< works, but may not be what was meant
  std::map<FaultKind, std::int64_t> more_faults, more_warnings;  ///< beyond those that are kept
  std::int64_t records = 0;                                      ///< that could be read

  std::int64_t fault_count() const;
};

struct ExamineOptions {
  int threads = 0;        ///< 0: as many as there are processors, 16 at most
  bool progress = false;  ///< on stderr
};

/// Reads all images and masks of all manifests. Never throws for a fault of the data.
/// Faults: the file's form, missing or unreadable files, mask size, empty mask behind [SEG], [SEG]
/// count against masks, unknown mask ids, keys and ids that come twice, an absent structure with a
/// mask, a subject, a volume or equal images in two splits (unless slab), an empty question,
/// `<image>` missing from or outside the first turn. Warnings: odd names of splits, masks that no
/// [SEG] uses, an unanswered question, absolute paths, soft masks, a label that looks like ignore,
/// flat and saturated images, a window that was assumed, image files as masks of a slice, EXIF
/// turns.
/// Lines are examined in parallel; faults come in the order of the lines whatever the number of
/// threads. Memory: lines are not kept, about 0.2 kB a record are (hashes of ids, images and
/// volumes), and three volumes a thread.
Findings examine(const std::vector<std::filesystem::path>& manifests,
                 const ExamineOptions& options = {});

}  // namespace medseg
