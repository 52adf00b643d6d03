/// \file
/// Typed reading of one JSON object of a manifest line; every complaint names the dotted path.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/dataset/fault.h"

namespace medseg {

class JsonReader {
 public:
  /// \throws ManifestError if `json` is no object.
  JsonReader(const nlohmann::json& json, std::string path);

  std::string required_text(const char* key);  ///< present and not empty
  std::string text(const char* key);           ///< "" when absent
  std::optional<std::int64_t> whole(const char* key, std::int64_t min, std::int64_t max);
  std::vector<std::string> texts(const char* key);  ///< empty when absent
  const nlohmann::json* find(const char* key);      ///< nullptr when absent or null
  std::string path_of(const char* key) const;

  /// A key one slip away from one that was asked for is a spelling mistake; other keys are the
  /// user's own and pass. \throws ManifestError.
  void reject_misspelt_keys() const;

  [[noreturn]] void fail(const char* key, const std::string& what,
                         FaultKind kind = FaultKind::kMalformedRecord) const;

 private:
  const nlohmann::json& json_;
  std::string path_;
  std::vector<std::string> known_;
};

/// The value as a message shows it: JSON, cut to 40 characters.
std::string shown(const nlohmann::json& value);

}  // namespace medseg
