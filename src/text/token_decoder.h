/// \file
/// `decoder` of a tokenizer.json: tokens back to text.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

struct TokenText {
  std::string text;
  bool whole = false;  ///< an added token, which is its own text
};

/// The byte that a token such as "<0xE2>" means.
std::optional<char> byte_of_token(std::string_view text);

class TokenDecoder {
 public:
  TokenDecoder() = default;
  /// \throws CheckpointError on an unknown type, with the known ones.
  TokenDecoder(const nlohmann::json& json, const std::string& where);

  std::string decode(std::vector<TokenText> tokens) const;

  /// The text of a run of byte tokens is known only when the run has ended.
  bool joins_byte_tokens() const { return joins_byte_tokens_; }

 private:
  void add(const nlohmann::json& json, const std::string& where);

  std::vector<std::function<void(std::vector<TokenText>& tokens)>> steps_;
  bool joins_byte_tokens_ = false;
};

}  // namespace medseg
