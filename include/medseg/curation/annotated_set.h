/// \file
/// Dialogues become records: the manifest that an annotation writes, and its report.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "medseg/curation/dialogue.h"
#include "medseg/curation/pictures.h"
#include "medseg/curation/rules.h"

namespace medseg {

/// Collects the dialogues of a set in the order of its pictures.
class AnnotatedSet {
 public:
  /// Records will lie in `out`; their files stay where they are and are named relative to it.
  AnnotatedSet(const Manifest& source, std::filesystem::path out);

  /// \pre the dialogue broke no rule.
  void add(const Picture& picture, const Draft& draft);
  /// A picture for which no dialogue was made.
  void add_bare(const Picture& picture);
  /// A dialogue that a model's stage could not give.
  void count_aside(const std::string& stage) { ++aside_[stage]; }

  std::int64_t dialogues() const { return dialogues_; }
  std::int64_t pairs() const { return static_cast<std::int64_t>(pairs_.size()); }

  RuleCounts& rejected() { return rejected_; }
  /// Further keys of the report: how the dialogues were made.
  nlohmann::ordered_json& made_by() { return made_by_; }
  /// Labels without an entry in the vocabulary, with the number of their masks.
  std::map<std::string, std::int64_t>& without_entry() { return without_entry_; }

  /// Writes manifest.jsonl and report.json. \throws DataError; also where no dialogue is left.
  void write() const;

  nlohmann::ordered_json report() const;
  std::string report_text() const;

 private:
  std::filesystem::path relative(const std::filesystem::path& file) const;

  std::filesystem::path source_folder_, out_;
  std::string lines_;
  std::int64_t dialogues_ = 0, turns_ = 0, absent_turns_ = 0, bare_ = 0;
  std::map<std::string, std::int64_t> turns_by_kind_, dialogues_by_split_, dialogues_of_picture_;
  std::set<std::pair<std::string, std::string>> pairs_;  ///< picture and label
  std::set<std::string> questions_;
  RuleCounts rejected_;
  nlohmann::ordered_json made_by_ = nlohmann::ordered_json::object();
  std::map<std::string, std::int64_t> without_entry_, aside_;
};

/// A record of one dialogue: the masks that it uses, under m0, m1, … in the order of their first
/// `[SEG]`. Paths stay the picture's.
Record record_of(const Picture& picture, const Draft& draft, const std::string& id);

}  // namespace medseg
