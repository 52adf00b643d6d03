/// \file
/// `decoder` of a tokenizer.json: tokens back to text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

struct TokenText {
  std::string text;
  bool whole = false;  ///< an added token: its text is itself
};

class TokenDecoder {
 public:
  TokenDecoder() = default;
  /// \throws DataError "where…: unknown type …; known are …".
  TokenDecoder(const nlohmann::json& json, const std::string& where);

  std::string decode(std::vector<TokenText> tokens) const;

 private:
  void add(const nlohmann::json& json, const std::string& where);

  std::vector<std::function<void(std::vector<TokenText>& tokens)>> steps_;
};

}  // namespace medseg
