#include "normalizer.h"

#include "json_field.h"
#include "medseg/base/str.h"
#include "regex.h"
#include "unicode.h"

namespace medseg {
namespace {

std::string quoted(const std::string& literal) {
  std::string pattern;
  for (const char c : literal) {
    if (std::string_view(R"(\^$.[]|()?*+{}-#&~ )").find(c) != std::string_view::npos) {
      pattern += '\\';
    }
    pattern += c;
  }
  return pattern;
}

void strip(std::string& text, bool left, bool right) {
  std::size_t begin = 0;
  std::size_t end = text.size();
  while (left && begin < end) {
    const auto point = code_point_at(text, begin);
    if (!is_white_space(point.value)) break;
    begin += point.bytes;
  }
  while (right && end > begin) {
    const auto point = code_point_before(text, end);
    if (!is_white_space(point.value)) break;
    end -= point.bytes;
  }
  text = text.substr(begin, end - begin);
}

bool is_ascii(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

}  // namespace

std::string pattern_of(const nlohmann::json& json, const std::string& where) {
  if (json.is_object() && json.size() == 1) {
    const auto entry = json.begin();
    if (entry->is_string() && entry.key() == "Regex") return entry->get<std::string>();
    if (entry->is_string() && entry.key() == "String") return quoted(entry->get<std::string>());
  }
  throw CheckpointError(where, str_cat("expected {\"String\": …} or {\"Regex\": …}, got ",
                                       json.dump().substr(0, 60)));
}

Normalizer::Normalizer(const nlohmann::json& json, const std::string& where) {
  if (!json.is_null()) add(json, where);
}

void Normalizer::apply(std::string& text, bool glued) const {
  for (const auto& step : steps_) step(text, glued);
}

void Normalizer::add(const nlohmann::json& json, const std::string& where) {
  const auto type = required_field<std::string>(json, "type", where);
  if (type == "Sequence") {
    const auto list = required_field<std::vector<nlohmann::json>>(json, "normalizers", where);
    for (std::size_t i = 0; i < list.size(); ++i) {
      add(list[i], str_cat(where, ".normalizers[", i, "]"));
    }
  } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    steps_.push_back([form = type](std::string& text, bool) {
      if (!is_ascii(text)) text = normalize(text, form);
    });
  } else if (type == "Lowercase") {
    steps_.push_back([](std::string& text, bool) { text = lowercase(text); });
  } else if (type == "Strip") {
    const bool left = field_or(json, "strip_left", where, true);
    const bool right = field_or(json, "strip_right", where, true);
    steps_.push_back([=](std::string& text, bool glued) { strip(text, left && !glued, right); });
  } else if (type == "Prepend") {
    const auto front = required_field<std::string>(json, "prepend", where);
    steps_.push_back([front](std::string& text, bool glued) {
      if (!text.empty() && !glued) text.insert(0, front);
    });
  } else if (type == "Replace") {
    const auto content = required_field<std::string>(json, "content", where);
    const auto pattern = json.find("pattern");
    if (pattern == json.end()) throw CheckpointError(where + ".pattern", "missing");
    const Regex regex(pattern_of(*pattern, where + ".pattern"), where + ".pattern");
    steps_.push_back([regex, content](std::string& text, bool) {
      std::string result;
      std::size_t at = 0;
      for (const auto& range : regex.find_all(text)) {
        result.append(text, at, range.begin - at).append(content);
        at = range.end;
      }
      if (at > 0) text = result.append(text, at);
    });
  } else {
    unknown_type(
        where, type,
        {"Sequence", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "Prepend", "Replace"});
  }
}

}  // namespace medseg
