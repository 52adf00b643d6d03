/// \file
/// adapter_config.json, the description of an adapter.
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
  std::vector<std::string> targets;  ///< a list of names or ends of names, or
  std::string target_pattern;        ///< a regular expression for whole names
  /// exclude_modules or layers_to_transform is set, so not every target need have tensors.
  bool some_layers_only = false;
  std::vector<std::string> saved_modules;
  std::vector<std::pair<std::string, std::int64_t>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;

  bool is_target(const std::string& module) const;
  /// Whether it belongs to one of modules_to_save.
  bool is_saved(const std::string& parameter) const;
  std::int64_t rank_of(const std::string& module) const;
  double scale_of(const std::string& module) const;
};

/// \throws CheckpointError at the file and field. peft.h names the kinds that are refused.
PeftConfig read_peft_config(const std::filesystem::path& file);

}  // namespace medseg
