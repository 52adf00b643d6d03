#include "foreign_json.h"

#include <cmath>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr int kDeepest = 64;
constexpr std::uintmax_t kLargest = std::uintmax_t{4} << 30;

/// Stops a parse that nests too deep or names a key twice.
class Watch {
 public:
  explicit Watch(std::string where) : where_(std::move(where)) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    if (depth > kDeepest)
      throw DataError(where_, str_cat("nested deeper than ", kDeepest, " levels"));
    if (event == json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == json::parse_event_t::key) {
      auto key = parsed.get<std::string>();
      if (!open_.back().insert(key).second)
        throw DataError(where_, "the key \"" + key.substr(0, 80) + "\" stands twice in one object");
    }
    return true;
  }

 private:
  std::string where_;
  std::vector<std::set<std::string>> open_;
};

std::string shown(const json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return str_cat("a list of ", value.size());
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

template <class Text>
json parsed(const Text& text, const std::string& where) {
  try {
    return json::parse(text.begin(), text.end(), Watch(where));
  } catch (const json::parse_error& error) {
    throw DataError(where, str_cat("not JSON near byte ", error.byte));
  } catch (const json::out_of_range&) {
    throw DataError(where, "a number is beyond what a double holds");
  }
}

}  // namespace

json read_foreign_json(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto bytes = file.bytes();
  if (bytes.size() > kLargest) throw DataError(path.string(), "larger than 4 GB");
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return parsed(text, path.string());
}

json parse_foreign_json(const std::string& text, const std::string& where) {
  return parsed(text, where);
}

void JsonItem::fail(const std::string& what) const { throw DataError(where_, what); }

void JsonItem::expected(const std::string& what) const {
  fail("expected " + what + ", found " + shown(*value_));
}

JsonItem JsonItem::at(const char* key) const {
  auto found = find(key);
  if (!found) fail(str_cat("\"", key, "\" is missing"));
  return *found;
}

std::optional<JsonItem> JsonItem::find(const std::string& key) const {
  if (!value_->is_object()) expected("an object");
  const auto it = value_->find(key);
  if (it == value_->end() || it->is_null()) return std::nullopt;
  return JsonItem(*it, where_ + (where_.ends_with(": ") ? "" : ".") + key);
}

std::vector<JsonItem> JsonItem::items() const {
  if (!value_->is_array()) expected("a list");
  std::vector<JsonItem> all;
  all.reserve(value_->size());
  for (std::size_t i = 0; i < value_->size(); ++i)
    all.emplace_back((*value_)[i], str_cat(where_, "[", i, "]"));
  return all;
}

std::vector<std::pair<std::string, JsonItem>> JsonItem::entries() const {
  if (!value_->is_object()) expected("an object");
  std::vector<std::pair<std::string, JsonItem>> all;
  for (const auto& item : value_->items()) {
    std::string key = item.key().substr(0, 80);
    all.emplace_back(item.key(), JsonItem(item.value(), where_ + "[\"" + key + "\"]"));
  }
  return all;
}

std::string JsonItem::text() const {
  if (!value_->is_string()) expected("text");
  return value_->get<std::string>();
}

std::string JsonItem::text_or_number() const {
  if (value_->is_string()) return value_->get<std::string>();
  if (value_->is_number_integer()) return value_->dump();
  expected("text or a whole number");
}

double JsonItem::number() const {
  if (!value_->is_number()) expected("a number");
  const double number = value_->get<double>();
  if (!std::isfinite(number)) expected("a finite number");
  return number;
}

std::int64_t JsonItem::whole(std::int64_t min, std::int64_t max) const {
  const double number = value_->is_number() ? value_->get<double>() : std::nan("");
  const bool good = std::floor(number) == number && number >= static_cast<double>(min) &&
                    number <= static_cast<double>(max);
  if (!good) expected(str_cat("a whole number from ", min, " to ", max));
  return static_cast<std::int64_t>(number);
}

bool JsonItem::flag() const {
  if (value_->is_boolean()) return value_->get<bool>();
  return whole(0, 1) == 1;
}

}  // namespace medseg
