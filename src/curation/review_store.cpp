#include "medseg/curation/review_store.h"

#include <algorithm>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "medseg/curation/agreement.h"
#include "review_content.h"
#include "review_judged.h"

namespace medseg {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr std::int32_t kReview = 0x6d735231;  // "msR1"

constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS records (
  position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (
  number INTEGER PRIMARY KEY, time TEXT NOT NULL, record INTEGER NOT NULL, reader TEXT NOT NULL,
  role TEXT NOT NULL, action TEXT NOT NULL, seconds REAL NOT NULL, content TEXT NOT NULL,
  reason TEXT NOT NULL, comment TEXT NOT NULL, tool TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS decisions_by_record ON decisions(record, reader);
CREATE TABLE IF NOT EXISTS verdicts (
  record INTEGER NOT NULL, reader TEXT NOT NULL, role TEXT NOT NULL, verdict TEXT NOT NULL,
  PRIMARY KEY (record, reader)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statuses (
  record INTEGER PRIMARY KEY, status TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS statuses_by_status ON statuses(status, record);
CREATE TABLE IF NOT EXISTS drafts (
  record INTEGER NOT NULL, reader TEXT NOT NULL, state TEXT NOT NULL,
  PRIMARY KEY (record, reader)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS decisions_stay BEFORE UPDATE ON decisions
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS decisions_remain BEFORE DELETE ON decisions
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
)";

bool is_verdict(ReviewAction action) {
  return action == ReviewAction::kAccept || action == ReviewAction::kReject ||
         action == ReviewAction::kNotThere;
}

RecordStatus status_of(ReviewAction verdict) {
  return verdict == ReviewAction::kAccept   ? RecordStatus::kAccepted
         : verdict == ReviewAction::kReject ? RecordStatus::kRejected
                                            : RecordStatus::kNotThere;
}

ReaderStanding standing_of(const std::vector<ReviewDecision>& trail, const std::string& reader) {
  ReaderStanding standing;
  for (const auto& decision : trail) {
    if (decision.reader != reader) continue;
    ++standing.decisions;
    standing.seconds += decision.seconds;
    if (decision.action == ReviewAction::kRevise) {
      standing.content = decision.content;
      standing.verdict.reset();  // an approval falls with an edit
    } else if (is_verdict(decision.action)) {
      standing.verdict = decision.action;
    }
  }
  return standing;
}

/// Two readers of one mind: the same verdict and, where they accept, the same words and masks.
bool alike(const Record& record, const ReaderStanding& a, const ReaderStanding& b, double dice) {
  if (a.verdict != b.verdict) return false;
  if (a.verdict != ReviewAction::kAccept) return true;
  if (!a.content && !b.content) return true;
  if (!a.content || !b.content) return false;
  if (words_of_content(*a.content) != words_of_content(*b.content)) return false;
  const auto ma = masks_of_content(*a.content), mb = masks_of_content(*b.content);
  for (const auto& [id, unused] : record.masks) {
    const auto in_a = ma.find(id), in_b = mb.find(id);
    if ((in_a == ma.end()) != (in_b == mb.end())) return false;
    if (in_a == ma.end()) continue;
    if (in_a->second.width != in_b->second.width || in_a->second.height != in_b->second.height ||
        dice_of(in_a->second, in_b->second) < dice)
      return false;
  }
  return true;
}

void check_decision(const Record& record, const ReviewDecision& decision) {
  if (decision.action == ReviewAction::kRevise) with_content(record, decision.content);
  if (decision.comment.size() > 10000) throw DataError("comment", "too long");
  if (decision.action == ReviewAction::kComment && trim(decision.comment).empty())
    throw DataError("comment", "empty");
  if (decision.action != ReviewAction::kReject) return;
  const auto& reasons = reject_reasons();
  if (std::find(reasons.begin(), reasons.end(), decision.reason) == reasons.end())
    throw DataError("reason", "\"" + decision.reason + "\": expected " + join(reasons, ", "));
}

}  // namespace

const std::vector<std::string>& reject_reasons() {
  static const std::vector<std::string> reasons = {
      "wrong structure", "poor mask",    "wrong side",   "question unclear",
      "answer wrong",    "poor picture", "not clinical", "other"};
  return reasons;
}

ReviewStore::ReviewStore(const std::filesystem::path& path, const Manifest& manifest,
                         const ReviewSettings& settings)
    : database_(path, kReview), settings_(settings) {
  database_.execute(kTables);
  const std::string digest = sha256_of_file(manifest.path());
  const auto known = database_.query("SELECT value FROM about WHERE key = 'manifest'");
  if (!known.empty()) {
    if (known[0].text(0) != digest) {
      throw DataError(path.string(), "holds the review of another manifest, or of " +
                                         manifest.path().string() + " before it was changed");
    }
    read_settings();
    return;
  }
  database_.transaction([&] {
    std::int64_t position = 0;
    for (const auto& record : manifest.records()) {
      database_.query("INSERT INTO records VALUES (?, ?, ?)",
                      {position++, record.id, to_json_line(record)});
    }
    const auto about = [&](const char* key, const std::string& value) {
      database_.query("INSERT INTO about VALUES (?, ?)", {std::string(key), value});
    };
    about("manifest", digest);
    about("folder", std::filesystem::absolute(manifest.path()).parent_path().string());
    about("readers", str_cat(settings.readers));
    about("same_dice", str_cat(settings.same_dice));
  });
}

ReviewStore::ReviewStore(const std::filesystem::path& path)
    : database_(path, kReview, Database::Mode::kReadOnly) {
  read_settings();
}

void ReviewStore::read_settings() {
  const auto value = [&](const char* key) {
    return database_.query("SELECT value FROM about WHERE key = ?", {std::string(key)})
        .at(0)
        .text(0);
  };
  settings_.readers = std::stoll(value("readers"));
  settings_.same_dice = std::stod(value("same_dice"));
}

std::int64_t ReviewStore::size() {
  const std::lock_guard lock(mutex_);
  return database_.query("SELECT count(*) FROM records").at(0).whole(0);
}

Record ReviewStore::record(std::int64_t position) {
  const std::lock_guard lock(mutex_);
  const auto rows = database_.query("SELECT json FROM records WHERE position = ?", {position});
  if (rows.empty()) throw DataError(str_cat("record ", position), "there is none");
  return parse_record(rows[0].text(0));
}

std::filesystem::path ReviewStore::source_folder() {
  const std::lock_guard lock(mutex_);
  return database_.query("SELECT value FROM about WHERE key = 'folder'").at(0).text(0);
}

std::optional<std::int64_t> ReviewStore::next(const Reader& reader, std::int64_t after) {
  const std::lock_guard lock(mutex_);
  const auto rows =
      reader.role == ReaderRole::kAdjudicator
          ? database_.query(
                "SELECT record FROM statuses WHERE status = 'disagreement' AND "
                "record > ? ORDER BY record LIMIT 1",
                {after})
          : database_.query(
                "SELECT r.position FROM records r WHERE r.position > ? AND NOT EXISTS (SELECT 1 "
                "FROM verdicts v WHERE v.record = r.position AND v.reader = ?) AND (SELECT "
                "count(*) FROM verdicts v WHERE v.record = r.position AND v.role = 'reader') < ? "
                "ORDER BY r.position LIMIT 1",
                {after, reader.name, settings_.readers});
  return rows.empty() ? std::nullopt : std::optional(rows[0].whole(0));
}

std::vector<ReviewDecision> ReviewStore::trail(std::int64_t position) {
  const std::lock_guard lock(mutex_);
  std::vector<ReviewDecision> trail;
  database_.each(
      "SELECT d.number, r.id, d.reader, d.time, d.reason, d.comment, d.tool, d.role, d.action, "
      "d.seconds, d.content FROM decisions d JOIN records r ON r.position = d.record WHERE "
      "d.record = ? ORDER BY d.number",
      {position}, [&](const SqlRow& row) {
        ReviewDecision one;
        one.number = row.whole(0);
        one.record = row.text(1);
        one.reader = row.text(2);
        one.time = row.text(3);
        one.reason = row.text(4);
        one.comment = row.text(5);
        one.tool = row.text(6);
        one.role = choice_named<ReaderRole>("role", row.text(7));
        one.action = choice_named<ReviewAction>("action", row.text(8));
        one.seconds = row.number(9);
        if (!row.text(10).empty()) one.content = json::parse(row.text(10));
        trail.push_back(std::move(one));
      });
  return trail;
}

ReaderStanding ReviewStore::standing(std::int64_t position, const std::string& reader) {
  return standing_of(trail(position), reader);
}

std::map<std::string, ReaderStanding> ReviewStore::others(std::int64_t position,
                                                          const std::string& reader) {
  auto standings = judged(position).standings;
  standings.erase(reader);
  return standings;
}

ReviewStore::Judged ReviewStore::judged(std::int64_t position) {
  const std::lock_guard lock(mutex_);
  Judged all;
  all.record = record(position);
  all.trail = trail(position);
  std::map<std::string, ReaderRole> roles;
  for (const auto& decision : all.trail) {
    if (!roles.emplace(decision.reader, decision.role).second) continue;
    const auto standing = standing_of(all.trail, decision.reader);
    all.standings[decision.reader] = standing;
    if (!standing.verdict) continue;
    if (decision.role == ReaderRole::kAdjudicator) {
      all.adjudicator = decision.reader;
    } else {
      all.readers.push_back(decision.reader);
    }
  }
  if (all.adjudicator) {
    all.decider = *all.adjudicator;
    all.status = status_of(*all.standings.at(all.decider).verdict);
    return all;
  }
  if (static_cast<std::int64_t>(all.readers.size()) < settings_.readers) return all;
  const auto& first = all.standings.at(all.readers[0]);
  const bool one_mind = std::all_of(all.readers.begin(), all.readers.end(), [&](const auto& name) {
    return alike(all.record, first, all.standings.at(name), settings_.same_dice);
  });
  all.decider = all.readers[0];
  all.status = one_mind ? status_of(*first.verdict) : RecordStatus::kDisagreement;
  return all;
}

ReaderStanding ReviewStore::decide(std::int64_t position, const Reader& reader,
                                   const ReviewDecision& decision, std::int64_t seen) {
  const std::lock_guard lock(mutex_);
  check_decision(record(position), decision);
  ReaderStanding now;
  database_.transaction([&] {
    const auto before = judged(position);
    const auto own = standing_of(before.trail, reader.name);
    if (own.decisions != seen) {
      throw ReviewConflict(before.record.id,
                           str_cat("another change came first: ", own.decisions, " decisions of ",
                                   reader.name, ", ", seen, " were seen"));
    }
    const bool needed = static_cast<std::int64_t>(before.readers.size()) < settings_.readers ||
                        before.standings.contains(reader.name);
    if (reader.role == ReaderRole::kReader && !needed)
      throw ReviewConflict(before.record.id, "enough readers have judged this record");
    if (reader.role == ReaderRole::kAdjudicator && before.status == RecordStatus::kOpen)
      throw DataError(before.record.id, "the readers have not judged this record yet");
    database_.query(
        "INSERT INTO decisions (time, record, reader, role, action, seconds, content, reason, "
        "comment, tool) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {utc_now(), position, reader.name, name_of(reader.role), name_of(decision.action),
         std::clamp(decision.seconds, 0.0, 86400.0),
         decision.content.is_null() ? std::string() : decision.content.dump(), decision.reason,
         decision.comment, str_cat("medseg ", version())});
    const auto after = judged(position);
    now = after.standings.at(reader.name);
    database_.query("DELETE FROM verdicts WHERE record = ? AND reader = ?",
                    {position, reader.name});
    if (now.verdict) {
      database_.query("INSERT INTO verdicts VALUES (?, ?, ?, ?)",
                      {position, reader.name, name_of(reader.role), name_of(*now.verdict)});
    }
    database_.query("INSERT OR REPLACE INTO statuses VALUES (?, ?)",
                    {position, name_of(after.status)});
    if (is_verdict(decision.action)) {
      database_.query("DELETE FROM drafts WHERE record = ? AND reader = ?",
                      {position, reader.name});
    }
  });
  return now;
}

void ReviewStore::keep_draft(std::int64_t position, const std::string& reader,
                             const std::string& state) {
  const std::lock_guard lock(mutex_);
  database_.query("INSERT OR REPLACE INTO drafts VALUES (?, ?, ?)", {position, reader, state});
}

std::string ReviewStore::draft(std::int64_t position, const std::string& reader) {
  const std::lock_guard lock(mutex_);
  const auto rows = database_.query("SELECT state FROM drafts WHERE record = ? AND reader = ?",
                                    {position, reader});
  return rows.empty() ? "" : rows[0].text(0);
}

RecordStatus ReviewStore::status(std::int64_t position) {
  const std::lock_guard lock(mutex_);
  const auto rows = database_.query("SELECT status FROM statuses WHERE record = ?", {position});
  return rows.empty() ? RecordStatus::kOpen : choice_named<RecordStatus>("", rows[0].text(0));
}

ReviewProgress ReviewStore::progress(const std::string& reader) {
  const std::lock_guard lock(mutex_);
  ReviewProgress progress;
  progress.records = size();
  progress.judged =
      database_.query("SELECT count(*) FROM verdicts WHERE reader = ?", {reader}).at(0).whole(0);
  progress.seconds =
      database_.query("SELECT sum(seconds) FROM decisions WHERE reader = ?", {reader})
          .at(0)
          .number(0);
  return progress;
}

ordered_json ReviewStore::decided(std::int64_t position) {
  const auto all = judged(position);
  MEDSEG_CHECK(all.status != RecordStatus::kOpen && all.status != RecordStatus::kDisagreement,
               "not decided");
  const auto& standing = all.standings.at(all.decider);
  Record record = standing.content ? with_content(all.record, *standing.content) : all.record;
  Review review;
  review.status = name_of(all.status);
  review.reviewer = all.adjudicator ? *all.adjudicator : join(all.readers, ", ");
  for (const auto& decision : all.trail) {
    if (!decision.comment.empty())
      review.note += (review.note.empty() ? "" : "; ") + decision.comment;
  }
  record.review = review;
  auto json = ordered_json::parse(to_json_line(record));
  auto trail = ordered_json::array();
  for (const auto& decision : all.trail) {
    ordered_json one = {{"reader", decision.reader},   {"role", name_of(decision.role)},
                        {"time", decision.time},       {"action", name_of(decision.action)},
                        {"seconds", decision.seconds}, {"tool", decision.tool}};
    if (!decision.reason.empty()) one["reason"] = decision.reason;
    trail.push_back(std::move(one));
  }
  json["review"]["trail"] = std::move(trail);
  return json;
}

}  // namespace medseg
