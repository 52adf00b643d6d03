#include "json_reader.h"

#include <algorithm>
#include <utility>

#include "medseg/base/str.h"

namespace medseg {
namespace {

/// One letter put in, left out, changed, or two neighbours swapped.
bool one_slip_apart(const std::string& a, const std::string& b) {
  const auto [from_a, from_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (from_a == a.end() && from_b == b.end()) return false;
  const std::string rest_a(from_a, a.end());
  const std::string rest_b(from_b, b.end());
  const auto tail = [](const std::string& text, std::size_t from) {
    return text.size() >= from ? text.substr(from) : std::string("\x01");
  };
  const bool swapped = rest_a.size() >= 2 && rest_b.size() >= 2 && rest_a[0] == rest_b[1] &&
                       rest_a[1] == rest_b[0] && tail(rest_a, 2) == tail(rest_b, 2);
  return tail(rest_a, 1) == rest_b || rest_a == tail(rest_b, 1) ||
         (!rest_a.empty() && !rest_b.empty() && tail(rest_a, 1) == tail(rest_b, 1)) || swapped;
}

}  // namespace

std::string shown(const nlohmann::json& value) {
  std::string text = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 37) + "...";
  return text;
}

JsonReader::JsonReader(const nlohmann::json& json, std::string path)
    : json_(json), path_(std::move(path)) {
  if (!json.is_object()) {
    throw ManifestError(FaultKind::kMalformedRecord, path_,
                        "expected an object, found " + shown(json));
  }
}

std::string JsonReader::path_of(const char* key) const {
  return path_.empty() ? key : path_ + "." + key;
}

void JsonReader::fail(const char* key, const std::string& what, FaultKind kind) const {
  throw ManifestError(kind, path_of(key), what);
}

const nlohmann::json* JsonReader::find(const char* key) {
  known_.emplace_back(key);
  const auto it = json_.find(key);
  return it == json_.end() || it->is_null() ? nullptr : &*it;
}

std::string JsonReader::text(const char* key) {
  const auto* value = find(key);
  if (value == nullptr) return "";
  if (!value->is_string()) fail(key, "expected text, found " + shown(*value));
  return value->get<std::string>();
}

std::string JsonReader::required_text(const char* key) {
  if (find(key) == nullptr) {
    reject_misspelt_keys();  // the likelier reason
    fail(key, "missing");
  }
  std::string value = text(key);
  if (trim(value).empty()) fail(key, "empty");
  return value;
}

std::optional<std::int64_t> JsonReader::whole(const char* key, std::int64_t min, std::int64_t max) {
  const auto* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto expected = str_cat("expected a whole number from ", min, " to ", max);
  if (!value->is_number_integer()) fail(key, expected + ", found " + shown(*value));
  const bool huge =
      value->is_number_unsigned() && value->get<std::uint64_t>() > static_cast<std::uint64_t>(max);
  if (huge || value->get<std::int64_t>() < min || value->get<std::int64_t>() > max) {
    fail(key, expected + ", found " + shown(*value));
  }
  return value->get<std::int64_t>();
}

std::vector<std::string> JsonReader::texts(const char* key) {
  const auto* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail(key, "expected a list of texts, found " + shown(*value));
  std::vector<std::string> texts;
  for (const auto& item : *value) {
    if (!item.is_string() || item.get_ref<const std::string&>().empty()) {
      fail(key, "expected a list of texts, found " + shown(item) + " in it");
    }
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

void JsonReader::reject_misspelt_keys() const {
  for (const auto& item : json_.items()) {
    if (std::find(known_.begin(), known_.end(), item.key()) != known_.end()) continue;
    for (const auto& known : known_) {
      if (!one_slip_apart(item.key(), known)) continue;
      fail(item.key().c_str(), "unknown key (did you mean \"" + known + "\"?)");
    }
  }
}

}  // namespace medseg
