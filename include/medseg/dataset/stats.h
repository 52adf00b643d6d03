/// \file
/// What a manifest holds, in numbers.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "medseg/dataset/leaks.h"
#include "medseg/dataset/manifest.h"
#include "medseg/text/tokenizer.h"

namespace medseg {

/// Counts of one split.
struct SplitStats {
  std::int64_t records = 0;
  std::int64_t pictures = 0;  ///< files, or slices of a scan
  std::int64_t subjects = 0;
  std::int64_t answered_turns = 0;
  std::int64_t absent_turns = 0;  ///< answered without `[SEG]`
  std::int64_t masks_asked = 0;   ///< `[SEG]` of all answers
  std::int64_t pairs = 0;         ///< different (picture, target) with a `[SEG]`
  std::map<std::string, std::int64_t> records_by_modality;
  std::map<std::string, std::int64_t> asked_by_target;
  std::map<std::string, std::int64_t> pairs_by_target;
  std::map<std::string, std::int64_t> denied_by_target;    ///< records that list it in `absent`
  std::map<std::int64_t, std::int64_t> turns_by_seg;       ///< `[SEG]` of a turn: turns
  std::map<std::string, std::int64_t> areas;               ///< share of the picture: masks of pairs
  std::map<std::int64_t, std::int64_t> records_by_length;  ///< all turns, in steps of 50: records
};

struct ManifestStats {
  std::string length_unit = "words";  ///< of records_by_length: "tokens" when a tokenizer counted
  std::map<std::string, SplitStats> splits;
  std::vector<Leak> leaks;
};

/// Reads all pictures and masks. With a tokenizer lengths are those of its ids: of the words alone,
/// without a template's and without the picture's. \throws DataError.
ManifestStats count_manifest(const Manifest& manifest, const Tokenizer* tokenizer = nullptr);

/// The target of one `[SEG]`: the labels of its ids, joined by "+".
std::string target_label(const Record& record, const std::vector<std::string>& ids);

std::string stats_text(const ManifestStats& stats);
std::string stats_json(const ManifestStats& stats);

}  // namespace medseg
