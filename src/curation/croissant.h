/// \file
/// Croissant metadata of a reviewed set: JSON-LD that dataset hubs and loaders read
/// (http://mlcommons.org/croissant/1.0).
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include <nlohmann/json.hpp>

namespace medseg {

/// What is known of a set that a review gave.
struct ReviewedSet {
  std::string name;      ///< of the folder
  std::string manifest;  ///< file name beside the metadata
  std::string lines;     ///< its bytes, for size and digest
  std::int64_t records = 0, readers = 0;
  std::set<std::string> licences, sources;  ///< as the records state them
  std::set<std::string> columns;            ///< keys that every record has
  nlohmann::ordered_json agreement;         ///< ReviewStore::agreement
};

nlohmann::ordered_json croissant_of(const ReviewedSet& set);

}  // namespace medseg
