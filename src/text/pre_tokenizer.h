/// \file
/// `pre_tokenizer` of a tokenizer.json: splits a text into words. Merges never cross their borders.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

struct Word {
  std::string text;
  bool at_start = false;  ///< of the whole input
  bool glued = false;     ///< continues other text, so no blank is put in front
};

class PreTokenizer {
 public:
  PreTokenizer() = default;
  /// \throws CheckpointError on an unknown type, with the known ones.
  PreTokenizer(const nlohmann::json& json, const std::string& where);

  /// Splits every word further.
  void apply(std::vector<Word>& words) const;

 private:
  using Step = std::function<void(std::vector<Word>& words)>;
  void add(const nlohmann::json& json, const std::string& where);

  std::vector<Step> steps_;
};

}  // namespace medseg
