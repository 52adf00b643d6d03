/// \file
/// What readers decided about the records of a manifest: a SQLite file to which decisions are only
/// added. Readers are blind: each has a version of the record of his own, and sees no other's.
///
/// A reader may revise a record any number of times and then give a verdict; a revision after the
/// verdict makes it void. A record that two readers judged alike is done; others wait for an
/// adjudicator, who sees both. Every change names the number of this reader's decisions that it was
/// made from, and is refused where there are more by now (two windows, two machines).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/curation/readers.h"
#include "medseg/curation/sqlite.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

enum class ReviewAction { kRevise, kAccept, kReject, kNotThere, kComment };
template <>
struct Choice<ReviewAction> {
  static constexpr ChoiceNames<ReviewAction, 5> names = {{{ReviewAction::kRevise, "revise"},
                                                          {ReviewAction::kAccept, "accept"},
                                                          {ReviewAction::kReject, "reject"},
                                                          {ReviewAction::kNotThere, "not_there"},
                                                          {ReviewAction::kComment, "comment"}}};
};

/// The reasons of a rejection; a comment may say more.
const std::vector<std::string>& reject_reasons();

/// What became of a record.
enum class RecordStatus { kOpen, kAccepted, kRejected, kNotThere, kDisagreement };
template <>
struct Choice<RecordStatus> {
  static constexpr ChoiceNames<RecordStatus, 5> names = {
      {{RecordStatus::kOpen, "open"},
       {RecordStatus::kAccepted, "accepted"},
       {RecordStatus::kRejected, "rejected"},
       {RecordStatus::kNotThere, "not_there"},
       {RecordStatus::kDisagreement, "disagreement"}}};
};

/// A decision as it stands in the store.
struct ReviewDecision {
  std::int64_t number = 0;
  std::string record, reader, time, reason, comment, tool;
  ReaderRole role = ReaderRole::kReader;
  ReviewAction action = ReviewAction::kComment;
  double seconds = 0;      ///< of work since the record was opened
  nlohmann::json content;  ///< of a revision: `{"turns": […], "masks": {id: {"size", "counts"}}}`
};

/// Where one reader stands with one record.
struct ReaderStanding {
  std::int64_t decisions = 0;  ///< of this reader about this record: what a change must name
  std::optional<ReviewAction> verdict;
  std::optional<nlohmann::json> content;  ///< his last revision
  double seconds = 0;
};

struct ReviewProgress {
  std::int64_t records = 0, judged = 0;  ///< in all; with a verdict of this reader
  double seconds = 0;                    ///< of this reader
};

struct ReviewSettings {
  std::int64_t readers = 2;  ///< verdicts that a record needs
  double same_dice = 0.9;    ///< two masks of one target agree from here on
};

/// Refused because another change came first; the page loads the record again.
class ReviewConflict : public DataError {
 public:
  using DataError::DataError;
};

/// All members may be called from several threads.
class ReviewStore {
 public:
  /// Opens or makes the store of this manifest, whose records are read one by one and only when the
  /// store is new. \throws DataError where the file holds the review of another one, or at
  /// "manifest:line" on a line that is no record or whose id stands in an earlier one.
  ReviewStore(const std::filesystem::path& path, const std::filesystem::path& manifest,
              const ReviewSettings& settings);
  /// To read alone: the manifest's records stand in the store.
  explicit ReviewStore(const std::filesystem::path& path);

  std::int64_t size();
  /// By position from 0. \throws DataError where there is none.
  Record record(std::int64_t position);
  std::filesystem::path source_folder();

  /// The first record behind `after` that this reader has still to judge: for a reader one without
  /// a verdict of his that needs one more, for an adjudicator a disagreement.
  std::optional<std::int64_t> next(const Reader& reader, std::int64_t after);

  ReaderStanding standing(std::int64_t position, const std::string& reader);
  /// For the adjudicator: what the others decided, in the order of their first decision.
  std::map<std::string, ReaderStanding> others(std::int64_t position, const std::string& reader);

  /// Adds it and returns the new standing. `seen` is ReaderStanding::decisions that the reader saw.
  /// \throws ReviewConflict; DataError on a decision that cannot be: a rejection without a known
  /// reason, a revision that is no record any more, an adjudication of what is not judged yet.
  ReaderStanding decide(std::int64_t position, const Reader& reader, const ReviewDecision& decision,
                        std::int64_t seen);

  /// The page's unfinished work of one reader: it survives a reload. "" where there is none.
  void keep_draft(std::int64_t position, const std::string& reader, const std::string& state);
  std::string draft(std::int64_t position, const std::string& reader);

  RecordStatus status(std::int64_t position);
  ReviewProgress progress(const std::string& reader);
  std::vector<ReviewDecision> trail(std::int64_t position);

  /// Counts by status, seconds a record, kappa and Dice, in all and by target.
  nlohmann::ordered_json agreement();

  /// The record as it was decided: revised turns and masks, review and trail. \pre its status is
  /// neither open nor a disagreement.
  nlohmann::ordered_json decided(std::int64_t position);
  /// What its decider changed, as a pair of before and after (revisions.h); nothing where he took
  /// it as it was. \pre as above.
  std::optional<nlohmann::ordered_json> revision(std::int64_t position, const std::string& model);
  const ReviewSettings& settings() const { return settings_; }

 private:
  struct Judged;
  Judged judged(std::int64_t position);
  void read_settings();

  std::recursive_mutex mutex_;
  Database database_;
  ReviewSettings settings_;
};

/// A record with a reader's content in place of its own. \throws DataError where it fits no record:
/// other ids, `[SEG]` counts, masks of another size.
Record with_content(const Record& record, const nlohmann::json& content);

/// Writes the manifest of all records of one status ("" for all that are decided), with paths that
/// hold from its folder, and beside it `data-card.md`, Croissant metadata (`croissant.json`) and
/// the accepted revisions (`revisions.jsonl`). Returns how many.
std::int64_t export_review(ReviewStore& store, const std::filesystem::path& out,
                           std::optional<RecordStatus> status);

}  // namespace medseg
