/// \file
/// What a review teaches: each record that readers changed before they accepted it, as a pair of
/// before and after, and counts of the changes.
///
/// One line of revisions.jsonl, beside an exported manifest:
///
///     {"id", "model", "reader",
///      "turns": [{"turn", "targets", "before": {"question", "answer"}, "after": …}],
///      "masks": [{"id", "target", "kind", "dice", "before", "after": {"size", "counts"}}]}
///
/// Only what changed is in it. `model` is what wrote the dialogue, as report.json beside the
/// reviewed manifest says ("templates", a model's name), or "not stated". `kind` is how the mask
/// was made ("atlas", "rule", …); `dice` compares it with the reader's.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/dataset/manifest.h"

namespace medseg {

inline constexpr const char* kRevisionsFile = "revisions.jsonl";

/// Who wrote the dialogues of a manifest in this folder.
std::string model_of_set(const std::filesystem::path& folder);

/// `record` of a manifest in `folder` and a reader's content for it; nothing where they are alike.
/// \throws DataError where a mask cannot be read.
std::optional<nlohmann::ordered_json> revision_of(const std::filesystem::path& folder,
                                                  const Record& record,
                                                  const nlohmann::json& content,
                                                  const std::string& reader,
                                                  const std::string& model);

struct RevisionCounts {
  struct Group {
    std::int64_t texts = 0;  ///< turns whose words changed
    std::int64_t masks = 0;
    double dice = 0;  ///< summed over masks

    nlohmann::ordered_json json() const;
  };
  std::int64_t records = 0;
  std::map<std::string, Group> by_target, by_kind, by_model;

  nlohmann::ordered_json json() const;
  std::string text() const;
};

/// \throws DataError at "file:line" on a line of another form.
RevisionCounts count_revisions(const std::filesystem::path& file);

}  // namespace medseg
