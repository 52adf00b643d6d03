#include "token_decoder.h"

#include <optional>

#include "byte_level.h"
#include "json_field.h"
#include "medseg/base/str.h"
#include "normalizer.h"
#include "regex.h"
#include "unicode.h"

namespace medseg {
namespace {

using Tokens = std::vector<TokenText>;

void decode_byte_letters(Tokens& tokens) {
  std::string bytes;
  for (const auto& token : tokens) {
    bytes += token.whole ? token.text : from_byte_letters(token.text).value_or(token.text);
  }
  tokens = {{valid_utf8(bytes), false}};
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

// A run of byte tokens is decoded together. If it is not UTF-8, every byte becomes one U+FFFD.
void decode_byte_tokens(Tokens& tokens) {
  Tokens result;
  std::string run;
  const auto flush = [&] {
    if (run.empty()) return;
    if (is_valid_utf8(run)) {
      result.push_back({run, false});
    } else {
      result.insert(result.end(), run.size(), {std::string(kReplacement), false});
    }
    run.clear();
  };
  for (auto& token : tokens) {
    const auto byte = byte_of_token(token.text);
    if (byte) {
      run += *byte;
    } else {
      flush();
      result.push_back(std::move(token));
    }
  }
  flush();
  tokens = std::move(result);
}

void strip_content(std::string& text, const std::string& content, std::int64_t start,
                   std::int64_t stop) {
  for (std::int64_t i = 0; i < start && text.starts_with(content); ++i) {
    text.erase(0, content.size());
  }
  for (std::int64_t i = 0; i < stop && text.ends_with(content); ++i) {
    text.resize(text.size() - content.size());
  }
}

std::string replaced(const std::string& text, const Regex& regex, const std::string& content) {
  std::string result;
  std::size_t at = 0;
  for (const auto& range : regex.find_all(text)) {
    result.append(text, at, range.begin - at).append(content);
    at = range.end;
  }
  return result.append(text, at);
}

}  // namespace

std::optional<char> byte_of_token(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text[5] != '>') return std::nullopt;
  const int high = hex_digit(text[3]);
  const int low = hex_digit(text[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

TokenDecoder::TokenDecoder(const nlohmann::json& json, const std::string& where) {
  if (json.is_null()) {
    steps_.push_back([](Tokens& tokens) {  // without a decoder, tokens are separated by blanks
      for (std::size_t i = 1; i < tokens.size(); ++i) tokens[i].text.insert(0, " ");
    });
  } else {
    add(json, where);
  }
}

std::string TokenDecoder::decode(std::vector<TokenText> tokens) const {
  for (const auto& step : steps_) step(tokens);
  std::string text;
  for (const auto& token : tokens) text += token.text;
  return text;
}

void TokenDecoder::add(const nlohmann::json& json, const std::string& where) {
  const auto type = required_field<std::string>(json, "type", where);
  if (type == "Sequence") {
    const auto list = required_field<std::vector<nlohmann::json>>(json, "decoders", where);
    for (std::size_t i = 0; i < list.size(); ++i) {
      add(list[i], str_cat(where, ".decoders[", i, "]"));
    }
  } else if (type == "ByteLevel") {
    steps_.push_back(decode_byte_letters);
  } else if (type == "ByteFallback") {
    steps_.push_back(decode_byte_tokens);
    joins_byte_tokens_ = true;
  } else if (type == "Fuse") {
    steps_.push_back([](Tokens& tokens) {
      std::string text;
      for (const auto& token : tokens) text += token.text;
      tokens = {{text, false}};
    });
  } else if (type == "Strip") {
    const auto content = required_field<std::string>(json, "content", where);
    const auto start = field_or<std::int64_t>(json, "start", where, 0);
    const auto stop = field_or<std::int64_t>(json, "stop", where, 0);
    if (content.empty()) throw CheckpointError(where + ".content", "is empty");
    steps_.push_back([=](Tokens& tokens) {
      for (auto& token : tokens) strip_content(token.text, content, start, stop);
    });
  } else if (type == "Replace") {
    const auto content = required_field<std::string>(json, "content", where);
    const auto pattern = json.find("pattern");
    if (pattern == json.end()) throw CheckpointError(where + ".pattern", "missing");
    const Regex regex(pattern_of(*pattern, where + ".pattern"), where + ".pattern");
    steps_.push_back([=](Tokens& tokens) {
      for (auto& token : tokens) token.text = replaced(token.text, regex, content);
    });
  } else if (type == "Metaspace") {
    const auto blank = field_or<std::string>(json, "replacement", where, std::string(kBlockSpace));
    const bool old_default = field_or(json, "add_prefix_space", where, true);
    const bool prefixed = field_or<std::string>(json, "prepend_scheme", where,
                                                old_default ? "always" : "never") != "never";
    steps_.push_back([=](Tokens& tokens) {
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        replace_all(tokens[i].text, blank, i == 0 && prefixed ? "" : " ");
      }
    });
  } else {
    unknown_type(
        where, type,
        {"Sequence", "ByteLevel", "ByteFallback", "Fuse", "Strip", "Replace", "Metaspace"});
  }
}

}  // namespace medseg
