#include "medseg/curation/journal.h"

#include "medseg/base/clock.h"

namespace medseg {
namespace {

constexpr std::int32_t kJournal = 0x6d734a31;  // "msJ1"

constexpr const char* kTables = R"(
CREATE TABLE IF NOT EXISTS requests (
  number INTEGER PRIMARY KEY, time TEXT NOT NULL, key TEXT NOT NULL, picture TEXT NOT NULL,
  stage TEXT NOT NULL, version INTEGER NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
  number INTEGER PRIMARY KEY, request INTEGER NOT NULL UNIQUE REFERENCES requests(number),
  time TEXT NOT NULL, status INTEGER NOT NULL, text TEXT NOT NULL, finish TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL, answer_tokens INTEGER NOT NULL, price REAL NOT NULL,
  seconds REAL NOT NULL);
CREATE INDEX IF NOT EXISTS requests_by_key ON requests(key);
CREATE TRIGGER IF NOT EXISTS requests_stay BEFORE UPDATE ON requests
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS requests_remain BEFORE DELETE ON requests
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS answers_stay BEFORE UPDATE ON answers
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS answers_remain BEFORE DELETE ON answers
  BEGIN SELECT RAISE(ABORT, 'append-only'); END;
)";

}  // namespace

Journal::Journal(const std::filesystem::path& path, Use use)
    : database_(path, kJournal,
                use == Use::kReplay ? Database::Mode::kReadOnly : Database::Mode::kCreate) {
  if (use == Use::kGoOn) database_.execute(kTables);
}

std::optional<JournalAnswer> Journal::find(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto rows = database_.query(
      "SELECT a.status, a.text, a.finish, a.prompt_tokens, a.answer_tokens, a.price, a.seconds "
      "FROM requests r JOIN answers a ON a.request = r.number "
      "WHERE r.key = ? AND a.status = 200 ORDER BY a.number LIMIT 1",
      {key});
  if (rows.empty()) return std::nullopt;
  const auto& row = rows[0];
  return JournalAnswer{static_cast<int>(row.whole(0)),
                       row.text(1),
                       row.text(2),
                       row.whole(3),
                       row.whole(4),
                       row.number(5),
                       row.number(6)};
}

std::int64_t Journal::asked(const JournalRequest& request) {
  const std::lock_guard lock(mutex_);
  database_.query(
      "INSERT INTO requests (time, key, picture, stage, version, model, prompt) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)",
      {utc_now(), request.key, request.picture, request.stage,
       static_cast<std::int64_t>(request.version), request.model, request.prompt});
  return database_.last_id();
}

void Journal::answered(std::int64_t number, const JournalAnswer& answer) {
  const std::lock_guard lock(mutex_);
  database_.query(
      "INSERT INTO answers (request, time, status, text, finish, prompt_tokens, answer_tokens, "
      "price, seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      {number, utc_now(), static_cast<std::int64_t>(answer.status), answer.text, answer.finish,
       answer.prompt_tokens, answer.answer_tokens, answer.price, answer.seconds});
}

JournalTotals Journal::totals() {
  const std::lock_guard lock(mutex_);
  JournalTotals totals;
  totals.requests = database_.query("SELECT count(*) FROM requests").at(0).whole(0);
  const auto sums = database_
                        .query(
                            "SELECT sum(status = 200), sum(status <> 200), sum(prompt_tokens), "
                            "sum(answer_tokens), sum(price) FROM answers")
                        .at(0);
  totals.answers = sums.whole(0);
  totals.failures = sums.whole(1);
  totals.prompt_tokens = sums.whole(2);
  totals.answer_tokens = sums.whole(3);
  totals.price = sums.number(4);
  totals.in_doubt =
      database_
          .query(
              "SELECT count(*) FROM requests r WHERE NOT EXISTS (SELECT 1 FROM answers a WHERE "
              "a.request = r.number) AND NOT EXISTS (SELECT 1 FROM requests s JOIN answers b ON "
              "b.request = s.number WHERE s.key = r.key AND b.status = 200)")
          .at(0)
          .whole(0);
  return totals;
}

}  // namespace medseg
