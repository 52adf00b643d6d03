/// \file
/// TinyViT (arXiv 2207.10666), the image encoder of LiteMedSAM and MobileSAM.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/models/grounding_encoder.h"

namespace medseg {

struct TinyVitOptions {
  std::int64_t image_size = 256;
  /// Of the two first convolutions: 1 is LiteMedSAM's (1×1, a cell is 4 pixels), 2 MobileSAM's
  /// (3×3, a cell is 16 pixels).
  std::int64_t patch_stride = 1;
  std::vector<std::int64_t> widths = {64, 128, 160, 320};
  std::vector<std::int64_t> depths = {2, 2, 6, 2};
  std::vector<std::int64_t> heads = {2, 4, 5, 10};
  std::vector<std::int64_t> windows = {7, 7, 14, 7};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("image_size", self.image_size, at_least(32));
    visit("patch_stride", self.patch_stride, in_range(1, 2));
    visit("widths", self.widths);
    visit("depths", self.depths);
    visit("heads", self.heads);
    visit("windows", self.windows);
  }
};

/// \throws ConfigError on sizes that do not fit each other.
std::unique_ptr<GroundingEncoder> make_tiny_vit(const TinyVitOptions& options,
                                                std::int64_t out_width);

}  // namespace medseg
