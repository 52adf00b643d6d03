/// \file
/// Options of the grounding part, and the table of its image encoders: all that an encoder brings
/// stands in its own file and is listed in grounding_encoders.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "medseg/config/any_options.h"
#include "medseg/models/row_choice.h"

namespace medseg {

class GroundingEncoder;
class NamedShapes;

struct GroundingEncoderRow {
  const char* name;  ///< in config.json
  /// Its options are written whether it is chosen or not: bundles have them since before there was
  /// a table.
  bool in_every_config;
  AnyOptions (*options)();  ///< the defaults
  std::unique_ptr<GroundingEncoder> (*make)(const AnyOptions& options, std::int64_t out_width);
  /// Whether a file holds this encoder, by its tensors' names (image_encoder.…, as SAM's).
  bool (*is_in)(const NamedShapes& shapes);
  /// Options from the tensors' shapes. \throws CheckpointError.
  AnyOptions (*geometry)(const NamedShapes& shapes);

  /// In the order in which a file is tried and a config is written.
  static std::span<const GroundingEncoderRow* const> table();
  static const GroundingEncoderRow* standard();  ///< of a config that names none
};

/// A row from an encoder's functions on its own options struct.
template <class Options, auto kMake, auto kIsIn, auto kGeometry>
constexpr GroundingEncoderRow grounding_encoder_row(const char* name) {
  return {.name = name,
          .in_every_config = false,
          .options = [] { return AnyOptions(Options{}); },
          .make = [](const AnyOptions& options,
                     std::int64_t width) { return kMake(options.as<Options>(), width); },
          .is_in = kIsIn,
          .geometry = [](const NamedShapes& shapes) { return AnyOptions(kGeometry(shapes)); }};
}

template <>
struct Choice<const GroundingEncoderRow*> {
  static constexpr RowNames<GroundingEncoderRow> names{};
};

struct GroundingOptions {
  RowChoice<GroundingEncoderRow> encoder;  ///< none: a model that answers in words only
  std::int64_t width = 256;                ///< C, prompt width
  std::int64_t decoder_depth = 2;
  std::int64_t decoder_heads = 8;
  std::int64_t decoder_mlp = 2048;
  std::int64_t num_masks = 4;       ///< mask tokens; token 0 answers a [SEG]
  std::int64_t mask_channels = 16;  ///< of the mask prompt's embedding

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    self.encoder.visit(self.encoder, visit, "encoder", "");
    visit("width", self.width, at_least(8));
    visit("decoder_depth", self.decoder_depth, at_least(1));
    visit("decoder_heads", self.decoder_heads, at_least(1));
    visit("decoder_mlp", self.decoder_mlp, at_least(1));
    visit("num_masks", self.num_masks, at_least(1));
    visit("mask_channels", self.mask_channels, at_least(4));
  }
};

}  // namespace medseg
