/// \file
/// SQLite behind few words: a database file in WAL mode, statements with values, transactions.
/// Errors carry the file's name and SQLite's reason. A connection is used by one thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace medseg {

using SqlValue = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

/// One row of an answer.
class SqlRow {
 public:
  explicit SqlRow(std::vector<SqlValue> values) : values_(std::move(values)) {}
  std::string text(std::size_t column) const;    ///< "" for NULL
  std::int64_t whole(std::size_t column) const;  ///< 0 for NULL
  double number(std::size_t column) const;       ///< 0 for NULL
  bool null(std::size_t column) const;

 private:
  std::vector<SqlValue> values_;
};

class Database {
 public:
  enum class Mode { kCreate, kReadOnly };
  /// Opens or makes the file; what is committed survives a kill and a power failure.
  /// `application` is a number of the program's kind of file, kept in its head: a file of another
  /// kind is refused. \throws DataError.
  Database(const std::filesystem::path& path, std::int32_t application, Mode mode = Mode::kCreate);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  /// Statements without values, parted by ';'.
  void execute(const std::string& sql);
  /// One statement; `?` in order. All rows.
  std::vector<SqlRow> query(const std::string& sql, const std::vector<SqlValue>& values = {});
  /// Row by row, for many.
  void each(const std::string& sql, const std::vector<SqlValue>& values,
            const std::function<void(const SqlRow&)>& on_row);
  std::int64_t last_id() const;
  std::int64_t changed_rows() const;

  /// Commits what `work` does, all of it or, where it throws, nothing.
  void transaction(const std::function<void()>& work);

 private:
  struct Handle;
  [[noreturn]] void fail(const std::string& what) const;
  std::filesystem::path path_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace medseg
