/// \file
/// One stage of an annotation by a language model: its prompt and the form of its answer, from a
/// versioned file of `configs/annotate/`.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/config/fields.h"

namespace medseg {

struct PromptStage {
  std::string stage;  ///< also the file's name
  int version = 1;
  bool sees_picture = false;              ///< with --send-images
  std::vector<std::string> system, user;  ///< lines; `{{facts}}` and the like are filled in
  nlohmann::json schema;                  ///< of the answer (schema.h)
  std::string digest;                     ///< SHA-256 of the file

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("stage", self.stage);
    visit("version", self.version, at_least(1));
    visit("sees_picture", self.sees_picture);
    visit("system", self.system);
    visit("user", self.user);
  }

  /// The two messages; with an image (PNG bytes) the user's holds it first, as a data URL.
  /// \throws CheckFailed on a `{{name}}` without a value.
  nlohmann::ordered_json messages(const std::map<std::string, std::string>& values,
                                  const std::string& png = "") const;
};

/// Names of the stages in the order in which they run.
const std::vector<std::string>& annotation_stages();

/// \throws ConfigError naming file and key; also on a placeholder that no stage fills.
PromptStage read_prompt_stage(const std::filesystem::path& file);

}  // namespace medseg
