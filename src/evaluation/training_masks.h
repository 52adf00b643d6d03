/// \file
/// The masks of a training split, by target: what baselines answer with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "medseg/dataset/manifest.h"

namespace medseg {

class TrainingMasks {
 public:
  TrainingMasks(const Manifest& manifest, const std::string& split);

  /// An empty mask when training has no such target.
  Mask mean(const Record& record, const std::string& target, int width, int height);
  Mask nearest(const Record& record, const std::string& target, int width, int height) const;

 private:
  struct Item {
    const Record* record;
    Mask mask;
  };
  using Key = std::pair<std::string, std::string>;  ///< modality, target

  std::int64_t slice_of(const Record& record) const;
  double relative_slice(const Record& record) const;

  std::map<Key, std::vector<Item>> items_;
  /// (modality, subject) -> first and last slice.
  std::map<Key, std::pair<std::int64_t, std::int64_t>> slices_;
  std::map<std::tuple<Key, int, int>, Mask> means_;
};

}  // namespace medseg
