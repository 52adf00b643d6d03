/// \file
/// Reads fields of other programs' JSON files. Every error names the file and the key.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

/// Reads a whole file. \throws CheckpointError if it is not a JSON object.
nlohmann::json read_json_object(const std::filesystem::path& file);

/// "" if there is no such string.
std::string string_or_empty(const nlohmann::json& object, const char* key);

/// The value of `key`; nothing if it is absent or null. \throws CheckpointError on another type.
template <class T>
std::optional<T> optional_field(const nlohmann::json& object, const char* key,
                                const std::string& where) {
  if (!object.is_object()) throw CheckpointError(where, "expected an object");
  const auto it = object.find(key);
  if (it == object.end() || it->is_null()) return std::nullopt;
  try {
    return it->template get<T>();
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError(str_cat(where, ".", key),
                          str_cat("wrong type, got ", it->dump().substr(0, 60)));
  }
}

template <class T>
T field_or(const nlohmann::json& object, const char* key, const std::string& where, T fallback) {
  return optional_field<T>(object, key, where).value_or(std::move(fallback));
}

template <class T>
T required_field(const nlohmann::json& object, const char* key, const std::string& where) {
  auto value = optional_field<T>(object, key, where);
  if (!value) throw CheckpointError(str_cat(where, ".", key), "missing");
  return std::move(*value);
}

[[noreturn]] inline void unknown_type(const std::string& where, const std::string& type,
                                      const std::vector<std::string>& known) {
  throw CheckpointError(where + ".type",
                        str_cat("unknown \"", type, "\"; known are ", join(known, " ")));
}

}  // namespace medseg
