/// \file
/// What the doctor's threads learnt from images, so that dialogues about one slice cost one
/// reading; and hashes that stand for texts where there are a million of them.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "findings.h"

namespace medseg {

/// The first half of a SHA-256. All zero: of nothing.
struct ShortHash {
  std::uint64_t high = 0, low = 0;
  auto operator<=>(const ShortHash&) const = default;
  bool empty() const { return high == 0 && low == 0; }
};
ShortHash short_hash(std::string_view text);
/// From the 64 digits of `sha256`; "" is empty.
ShortHash short_hash_of_digest(const std::string& digest);
std::string hex(const ShortHash& hash);  ///< "" for the empty one

struct ShortHashHasher {
  std::size_t operator()(const ShortHash& hash) const { return hash.low; }
};

struct SeenImage {
  ShortHash digest, volume_digest;
  int width = 0, height = 0;
  /// What is odd about it, without its line; its error. Nothing for most images.
  std::shared_ptr<const RecordFindings> odd;
  std::shared_ptr<const std::string> error;
};

/// Safe for several threads.
class SeenImages {
 public:
  std::optional<SeenImage> find(const ShortHash& key) const;
  void add(const ShortHash& key, const SeenImage& image);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<ShortHash, SeenImage, ShortHashHasher> images_;
};

}  // namespace medseg
