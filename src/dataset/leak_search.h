/// \file
/// Leaks among a million records: hashes first, and the records themselves only where something
/// stands in two splits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "examine_files.h"
#include "medseg/dataset/leaks.h"

namespace medseg {

class LeakSearch {
 public:
  void add(std::size_t manifest, const Examined& record);

  /// The leaks that nobody declared, and the manifest of each one's first record. `read` gives the
  /// record of a manifest that begins at a byte.
  struct Found {
    Leak leak;
    std::size_t manifest = 0;
  };
  std::vector<Found> find(
      const std::function<Record(std::size_t manifest, std::size_t begin)>& read) const;

 private:
  struct Facts {
    ShortHash subject, image, volume;
    std::uint64_t begin = 0;
    std::uint32_t split = 0;
    std::uint16_t manifest = 0;
    bool slab = false;
  };

  void mark(std::vector<bool>& leaking, ShortHash Facts::*key, bool slab_counts) const;

  std::vector<Facts> facts_;
  std::unordered_map<std::string, std::uint32_t> splits_;
};

}  // namespace medseg
