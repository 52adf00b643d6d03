/// \file
/// A published vision tower as its files describe it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/base/choice.h"
#include "medseg/weights/named_shapes.h"

namespace medseg {

/// The tower's part of a Hugging Face config.json (`vision_config`, or all of a tower's own), and
/// where it was read.
struct PublishedConfig {
  std::filesystem::path path;
  nlohmann::json json = nlohmann::json::object();  ///< empty where there is none

  /// \throws CheckpointError if `key` is there and another number.
  void expect(const char* key, std::int64_t found) const;
  std::int64_t integer(const char* key, std::int64_t otherwise) const;
  double number(const char* key, double otherwise) const;
  std::string word(const char* key, const std::string& otherwise) const;
  template <NamedChoice T>
  T choice(const char* key, T otherwise) const {
    return raised_as<CheckpointError>(
        [&] { return choice_named<T>(path.string() + ": " + key, word(key, name_of(otherwise))); });
  }
};

struct PublishedTower {
  const NamedShapes& shapes;  ///< under the tower's own names
  const PublishedConfig& config;
  std::int64_t crop_size;  ///< of preprocessor_config.json, in pixels; 0: not stated
};

}  // namespace medseg
