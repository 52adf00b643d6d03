/// \file
/// Thresholds that were chosen on validation data: key "thresholds" of a bundle's config.json. A
/// bundle that is trained further or saved anew has none until they are chosen again.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "medseg/config/fields.h"

namespace medseg {

struct MaskThresholds {
  double mask_score = 0;
  std::string manifest, split;
  double right = 0, right_without = 0;
  std::int64_t references = 0, absent = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("mask_score", self.mask_score, in_range(0, 1),
          "masks whose P([SEG]) times predicted IoU is below it are not drawn");
    visit("manifest", self.manifest, Range{}, "what it was chosen on");
    visit("split", self.split, Range{}, "what it was chosen on");
    visit("right", self.right, Range{},
          "mean of the Dice of references and of absent turns without a mask (1 or 0), there");
    visit("right_without", self.right_without, Range{}, "the same without a threshold");
    visit("references", self.references, at_least(0), "how many it was chosen on");
    visit("absent", self.absent, at_least(0), "absent turns that it was chosen on");
  }
};

/// Nothing where none were chosen. \throws CheckpointError on a folder that is no bundle, or on
/// "thresholds" of another form.
std::optional<MaskThresholds> read_thresholds(const std::filesystem::path& bundle);

/// Replaces them in config.json, whole or not at all; all else stays. \throws CheckpointError on a
/// folder that is no bundle, DataError where it cannot be written.
void store_thresholds(const std::filesystem::path& bundle, const MaskThresholds& thresholds);

}  // namespace medseg
