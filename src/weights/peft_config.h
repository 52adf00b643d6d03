/// \file
/// adapter_config.json: what an adapter says about itself.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace medseg {

struct PeftConfig {
  std::string where;  ///< the file, for messages
  std::string base;
  std::int64_t rank = 0;
  double alpha = 0, dropout = 0;
  bool rank_stabilised = false;
  std::vector<std::string> targets;  ///< a list of names or name ends …
  std::string target_pattern;        ///< … or a regular expression over whole names
  bool some_layers_only =
      false;  ///< exclude_modules or layers_to_transform: targets are no promise
  std::vector<std::string> saved_modules;
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;

  bool is_target(const std::string& module) const;
  bool is_saved(const std::string& parameter) const;  ///< of one of modules_to_save
  std::int64_t rank_of(const std::string& module) const;
  double scale_of(const std::string& module) const;
};

/// \throws CheckpointError naming file, field and what was found; kinds that are refused: peft.h.
PeftConfig read_peft_config(const std::filesystem::path& file);

}  // namespace medseg
