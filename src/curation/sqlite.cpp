#include "medseg/curation/sqlite.h"

#include <map>

#include <sqlite3.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr int kBusyMs = 10000;

void bind(sqlite3_stmt* statement, int index, const SqlValue& value) {
  if (std::holds_alternative<std::nullptr_t>(value)) {
    sqlite3_bind_null(statement, index);
  } else if (const auto* whole = std::get_if<std::int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    sqlite3_bind_double(statement, index, *number);
  } else {
    const auto& text = std::get<std::string>(value);
    sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  }
}

SqlValue column(sqlite3_stmt* statement, int index) {
  switch (sqlite3_column_type(statement, index)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(statement, index));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, index);
    case SQLITE_NULL:
      return nullptr;
    default: {
      const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement, index));
      const auto count = static_cast<std::size_t>(sqlite3_column_bytes(statement, index));
      return bytes == nullptr ? std::string() : std::string(bytes, count);
    }
  }
}

}  // namespace

std::string SqlRow::text(std::size_t index) const {
  const auto& value = values_.at(index);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return str_cat(*whole);
  if (const auto* number = std::get_if<double>(&value)) return str_cat(*number);
  return "";
}

std::int64_t SqlRow::whole(std::size_t index) const {
  const auto& value = values_.at(index);
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return *whole;
  if (const auto* number = std::get_if<double>(&value)) return static_cast<std::int64_t>(*number);
  return 0;
}

double SqlRow::number(std::size_t index) const {
  const auto& value = values_.at(index);
  if (const auto* number = std::get_if<double>(&value)) return *number;
  return static_cast<double>(whole(index));
}

bool SqlRow::null(std::size_t index) const {
  return std::holds_alternative<std::nullptr_t>(values_.at(index));
}

struct Database::Handle {
  sqlite3* db = nullptr;
  std::map<std::string, sqlite3_stmt*> statements;

  ~Handle() {
    for (auto& [sql, statement] : statements) sqlite3_finalize(statement);
    sqlite3_close_v2(db);
  }
};

Database::Database(const std::filesystem::path& path, std::int32_t application, Mode mode)
    : path_(path), handle_(std::make_unique<Handle>()) {
  const bool reading = mode == Mode::kReadOnly;
  const int flags = reading ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (reading && !std::filesystem::exists(path)) throw DataError(path.string(), "no such file");
  if (sqlite3_open_v2(path.c_str(), &handle_->db, flags | SQLITE_OPEN_NOMUTEX, nullptr) !=
      SQLITE_OK)
    fail("cannot open");
  sqlite3_busy_timeout(handle_->db, kBusyMs);
  sqlite3_extended_result_codes(handle_->db, 1);
  const auto tables = query("SELECT count(*) FROM sqlite_master").at(0).whole(0);
  const auto kind = query("PRAGMA application_id").at(0).whole(0);
  if ((tables > 0 || reading) && kind != application)
    throw DataError(path.string(), "a database of another program");
  if (reading) return;
  if (tables == 0) execute(str_cat("PRAGMA application_id = ", application));
  query("PRAGMA journal_mode = WAL");
  execute("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
}

Database::~Database() = default;

void Database::fail(const std::string& what) const {
  throw DataError(path_.string(), what + ": " + sqlite3_errmsg(handle_->db));
}

void Database::execute(const std::string& sql) {
  if (sqlite3_exec(handle_->db, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    fail("cannot be written");
}

void Database::each(const std::string& sql, const std::vector<SqlValue>& values,
                    const std::function<void(const SqlRow&)>& on_row) {
  auto& statement = handle_->statements[sql];
  if (statement == nullptr &&
      sqlite3_prepare_v3(handle_->db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement,
                         nullptr) != SQLITE_OK) {
    handle_->statements.erase(sql);
    fail("cannot be read");
  }
  sqlite3_stmt* const running = statement;
  const auto reset = [](sqlite3_stmt* done) {
    sqlite3_reset(done);
    sqlite3_clear_bindings(done);
  };
  const std::unique_ptr<sqlite3_stmt, decltype(reset)> guard(running, reset);
  for (std::size_t i = 0; i < values.size(); ++i) bind(running, static_cast<int>(i) + 1, values[i]);
  while (true) {
    const int step = sqlite3_step(running);
    if (step == SQLITE_DONE) return;
    if (step != SQLITE_ROW) fail("cannot be read or written");
    std::vector<SqlValue> row;
    for (int c = 0; c < sqlite3_column_count(running); ++c) row.push_back(column(running, c));
    on_row(SqlRow(std::move(row)));
  }
}

std::vector<SqlRow> Database::query(const std::string& sql, const std::vector<SqlValue>& values) {
  std::vector<SqlRow> rows;
  each(sql, values, [&](const SqlRow& row) { rows.push_back(row); });
  return rows;
}

std::int64_t Database::last_id() const { return sqlite3_last_insert_rowid(handle_->db); }

std::int64_t Database::changed_rows() const { return sqlite3_changes(handle_->db); }

void Database::transaction(const std::function<void()>& work) {
  execute("BEGIN IMMEDIATE");
  try {
    work();
    execute("COMMIT");
  } catch (...) {
    sqlite3_exec(handle_->db, "ROLLBACK", nullptr, nullptr, nullptr);
    throw;
  }
}

}  // namespace medseg
