/// \file
/// `pre_tokenizer` of a tokenizer.json: text into words that merges never cross.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

struct Word {
  std::string text;
  bool at_start = false;  ///< of the whole input
  bool glued = false;     ///< goes on after other text: no blank is put in front
};

class PreTokenizer {
 public:
  PreTokenizer() = default;
  /// \throws CheckpointError "where…: unknown type …; known are …".
  PreTokenizer(const nlohmann::json& json, const std::string& where);

  /// Splits every word further.
  void apply(std::vector<Word>& words) const;

 private:
  using Step = std::function<void(std::vector<Word>& words)>;
  void add(const nlohmann::json& json, const std::string& where);

  std::vector<Step> steps_;
};

}  // namespace medseg
