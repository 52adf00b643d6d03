/// \file
/// JSON of other tools, read without trust: bounded depth, no key twice, typed access. Every
/// complaint names the file and the item: "coco.json: annotations[17].segmentation: …".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// \throws DataError naming the file: not JSON, deeper than 64, a key twice, a number beyond a
/// double, larger than 4 GB.
nlohmann::json read_foreign_json(const std::filesystem::path& path);

/// The same for one line of a file. \throws DataError at `where`.
nlohmann::json parse_foreign_json(const std::string& text, const std::string& where);

/// One value and its place. The JSON must outlive it.
class JsonItem {
 public:
  JsonItem(const nlohmann::json& value, std::string where)
      : value_(&value), where_(std::move(where)) {}

  const nlohmann::json& json() const { return *value_; }
  const std::string& where() const { return where_; }

  JsonItem at(const char* key) const;  ///< \throws DataError if it is missing
  std::optional<JsonItem> find(const std::string& key) const;     ///< absent or null: nothing
  std::vector<JsonItem> items() const;                            ///< of a list
  std::vector<std::pair<std::string, JsonItem>> entries() const;  ///< of an object, by key
  std::string text() const;
  std::string text_or_number() const;  ///< ids are either
  double number() const;
  std::int64_t whole(std::int64_t min, std::int64_t max) const;
  bool flag() const;  ///< also 0 and 1

  [[noreturn]] void fail(const std::string& what) const;
  [[noreturn]] void expected(const std::string& what) const;  ///< "expected what, found …"

 private:
  const nlohmann::json* value_;
  std::string where_;
};

}  // namespace medseg
