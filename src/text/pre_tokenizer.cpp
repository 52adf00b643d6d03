#include "pre_tokenizer.h"

#include <algorithm>

#include "byte_level.h"
#include "json_field.h"
#include "medseg/base/str.h"
#include "normalizer.h"
#include "regex.h"
#include "unicode.h"

namespace medseg {
namespace {

enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct Part {
  std::size_t begin, end;
  bool match;
};

Behavior behavior_of(const std::string& name, const std::string& where) {
  static const std::vector<std::string> names = {"Removed", "Isolated", "MergedWithPrevious",
                                                 "MergedWithNext", "Contiguous"};
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) {
    throw CheckpointError(where + ".behavior",
                          str_cat("unknown \"", name, "\"; known are ", join(names, " ")));
  }
  return static_cast<Behavior>(it - names.begin());
}

std::vector<Part> parts_of(std::size_t size, const std::vector<ByteRange>& matches) {
  std::vector<Part> parts;
  std::size_t at = 0;
  for (const auto& match : matches) {
    if (at < match.begin) parts.push_back({at, match.begin, false});
    parts.push_back({match.begin, match.end, true});
    at = match.end;
  }
  if (at < size) parts.push_back({at, size, false});
  return parts;
}

std::vector<Part> joined(const std::vector<Part>& parts, Behavior behavior) {
  std::vector<Part> result;
  bool previous = false;
  switch (behavior) {
    case Behavior::kIsolated:
      return parts;
    case Behavior::kRemoved:
      std::copy_if(parts.begin(), parts.end(), std::back_inserter(result),
                   [](const Part& part) { return !part.match; });
      return result;
    case Behavior::kContiguous:
      for (const auto& part : parts) {
        if (!result.empty() && result.back().match == part.match) {
          result.back().end = part.end;
        } else {
          result.push_back(part);
        }
      }
      return result;
    case Behavior::kMergedWithPrevious:
      for (const auto& part : parts) {
        if (part.match && !previous && !result.empty()) {
          result.back().end = part.end;
        } else {
          result.push_back(part);
        }
        previous = part.match;
      }
      return result;
    case Behavior::kMergedWithNext:
      for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
        if (part->match && !previous && !result.empty()) {
          result.back().begin = part->begin;
        } else {
          result.push_back(*part);
        }
        previous = part->match;
      }
      std::reverse(result.begin(), result.end());
      return result;
  }
  return parts;
}

template <class Find>  // Find: text -> std::vector<ByteRange>
void split_words(std::vector<Word>& words, Behavior behavior, bool invert, const Find& find) {
  std::vector<Word> result;
  for (auto& word : words) {
    auto parts = parts_of(word.text.size(), find(word.text));
    if (invert) {
      for (auto& part : parts) part.match = !part.match;
    }
    for (const auto& part : joined(parts, behavior)) {
      const bool first = part.begin == 0;
      result.push_back({word.text.substr(part.begin, part.end - part.begin), word.at_start && first,
                        word.glued && first});
    }
  }
  words = std::move(result);
}

std::vector<ByteRange> numeric_characters(std::string_view text) {
  std::vector<ByteRange> found;
  for (std::size_t at = 0; at < text.size();) {
    const auto point = code_point_at(text, at);
    if (is_numeric(point.value)) found.push_back({at, at + point.bytes});
    at += point.bytes;
  }
  return found;
}

std::vector<ByteRange> occurrences(std::string_view text, std::string_view of) {
  std::vector<ByteRange> found;
  for (std::size_t at = 0; (at = text.find(of, at)) != std::string_view::npos; at += of.size()) {
    found.push_back({at, at + of.size()});
  }
  return found;
}

}  // namespace

PreTokenizer::PreTokenizer(const nlohmann::json& json, const std::string& where) {
  if (!json.is_null()) add(json, where);
}

void PreTokenizer::apply(std::vector<Word>& words) const {
  for (const auto& step : steps_) step(words);
}

void PreTokenizer::add(const nlohmann::json& json, const std::string& where) {
  const auto type = required_field<std::string>(json, "type", where);
  if (type == "Sequence") {
    const auto list = required_field<std::vector<nlohmann::json>>(json, "pretokenizers", where);
    for (std::size_t i = 0; i < list.size(); ++i) {
      add(list[i], str_cat(where, ".pretokenizers[", i, "]"));
    }
  } else if (type == "Split") {
    const auto behavior = behavior_of(required_field<std::string>(json, "behavior", where), where);
    const bool invert = field_or(json, "invert", where, false);
    const auto pattern = json.find("pattern");
    if (pattern == json.end()) throw CheckpointError(where + ".pattern", "missing");
    const Regex regex(pattern_of(*pattern, where + ".pattern"), where + ".pattern");
    steps_.push_back([=](std::vector<Word>& words) {
      split_words(words, behavior, invert, [&](std::string_view t) { return regex.find_all(t); });
    });
  } else if (type == "Digits") {
    const auto behavior = field_or(json, "individual_digits", where, false) ? Behavior::kIsolated
                                                                            : Behavior::kContiguous;
    steps_.push_back(
        [=](std::vector<Word>& words) { split_words(words, behavior, false, numeric_characters); });
  } else if (type == "ByteLevel") {
    const bool blank_first = field_or(json, "add_prefix_space", where, true);
    const bool use_regex = field_or(json, "use_regex", where, true);
    const Regex regex(kGpt2Pattern, where);
    steps_.push_back([=](std::vector<Word>& words) {
      for (auto& word : words) {
        if (blank_first && !word.glued && !word.text.starts_with(' ')) word.text.insert(0, " ");
      }
      if (use_regex) {
        split_words(words, Behavior::kIsolated, false,
                    [&](std::string_view t) { return regex.find_all(t); });
      }
      for (auto& word : words) word.text = to_byte_letters(word.text);
    });
  } else if (type == "Metaspace") {
    const auto blank = field_or<std::string>(json, "replacement", where, std::string(kBlockSpace));
    const bool old_default = field_or(json, "add_prefix_space", where, true);
    const auto scheme =
        field_or<std::string>(json, "prepend_scheme", where, old_default ? "always" : "never");
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      throw CheckpointError(where + ".prepend_scheme",
                            str_cat("unknown \"", scheme, "\"; known are always first never"));
    }
    if (blank.empty()) throw CheckpointError(where + ".replacement", "is empty");
    const bool split = field_or(json, "split", where, true);
    steps_.push_back([=](std::vector<Word>& words) {
      for (auto& word : words) {
        replace_all(word.text, " ", blank);
        const bool wanted = scheme == "always" || (scheme == "first" && word.at_start);
        if (wanted && !word.glued && !word.text.starts_with(blank)) word.text.insert(0, blank);
      }
      if (split) {
        split_words(words, Behavior::kMergedWithNext, false,
                    [&](std::string_view t) { return occurrences(t, blank); });
      }
    });
  } else {
    unknown_type(where, type, {"Sequence", "Split", "ByteLevel", "Digits", "Metaspace"});
  }
}

}  // namespace medseg
