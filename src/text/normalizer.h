/// \file
/// `normalizer` of a tokenizer.json: changes a text before it is split into words.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// Steps in order. `glued`: the text continues other text, so nothing is put in front of it.
class Normalizer {
 public:
  Normalizer() = default;
  /// \throws CheckpointError on an unknown type, with the known ones.
  Normalizer(const nlohmann::json& json, const std::string& where);

  bool empty() const { return steps_.empty(); }
  void apply(std::string& text, bool glued) const;

 private:
  void add(const nlohmann::json& json, const std::string& where);

  std::vector<std::function<void(std::string& text, bool glued)>> steps_;
};

/// Shared by normalizer, pre_tokenizer and decoder: `{"String": …}` or `{"Regex": …}` as a regular
/// expression.
std::string pattern_of(const nlohmann::json& json, const std::string& where);

}  // namespace medseg
