#include "seen_images.h"

#include <charconv>
#include <cstdio>

#include "medseg/base/hash.h"

namespace medseg {

ShortHash short_hash_of_digest(const std::string& digest) {
  ShortHash hash;
  if (digest.size() < 32) return hash;
  const char* text = digest.data();
  std::from_chars(text, text + 16, hash.high, 16);
  std::from_chars(text + 16, text + 32, hash.low, 16);
  return hash;
}

ShortHash short_hash(std::string_view text) { return short_hash_of_digest(sha256(text)); }

std::string hex(const ShortHash& hash) {
  if (hash.empty()) return "";
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  return text;
}

std::optional<SeenImage> SeenImages::find(const ShortHash& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = images_.find(key);
  return found == images_.end() ? std::nullopt : std::optional(found->second);
}

void SeenImages::add(const ShortHash& key, const SeenImage& image) {
  const std::lock_guard lock(mutex_);
  images_.emplace(key, image);
}

}  // namespace medseg
