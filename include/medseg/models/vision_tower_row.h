/// \file
/// The table of vision towers: all that a tower brings stands in its own file and is listed in
/// vision_towers.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "medseg/config/any_options.h"
#include "medseg/models/row_choice.h"
#include "medseg/models/vision_preprocess.h"

namespace medseg {

class TensorFile;
class VisionTower;
struct PublishedTower;
struct TensorSource;

struct PublishedPreprocess {
  VisionFit mode = VisionFit::kPad;
  std::array<double, 3> mean, deviation;
};

struct VisionTowerRow {
  const char* name;        ///< in config.json
  const char* model_type;  ///< of transformers' config.json, where the tower stands alone
  /// Its options are written whether it is chosen or not: bundles have them since before there was
  /// a table.
  bool in_every_config;
  AnyOptions (*options)();  ///< the defaults
  std::unique_ptr<VisionTower> (*make)(const AnyOptions& options);
  /// Where the tower's tensors stand in a published file; empty when it holds another tower or
  /// none.
  std::vector<TensorSource> (*sources)(const TensorFile& file);
  /// Options from shapes, and from config.json what shapes cannot say. \throws CheckpointError.
  AnyOptions (*geometry)(const PublishedTower& published);
  /// Sets the hidden state that the language model sees, where the tower has a choice; nullptr
  /// elsewhere.
  void (*select_layer)(AnyOptions& options, std::int64_t layer);
  PublishedPreprocess preprocess;  ///< where no preprocessor_config.json says otherwise

  /// In the order in which a config is written; a file is tried by the last row first.
  static std::span<const VisionTowerRow* const> table();
  static const VisionTowerRow* standard();  ///< of a config that names none
};

/// A row from a tower's functions on its own options struct.
template <class Options, auto kMake, auto kSources, auto kGeometry>
constexpr VisionTowerRow vision_tower_row(const char* name, const char* model_type,
                                          const PublishedPreprocess& preprocess) {
  VisionTowerRow row{.name = name,
                     .model_type = model_type,
                     .in_every_config = false,
                     .options = [] { return AnyOptions(Options{}); },
                     .make = [](const AnyOptions& options) { return kMake(options.as<Options>()); },
                     .sources = kSources,
                     .geometry = [](const PublishedTower& p) { return AnyOptions(kGeometry(p)); },
                     .select_layer = nullptr,
                     .preprocess = preprocess};
  if constexpr (requires(Options options) { options.select_layer; }) {
    row.select_layer = [](AnyOptions& options, std::int64_t layer) {
      options.as<Options>().select_layer = layer;
    };
  }
  return row;
}

template <>
struct Choice<const VisionTowerRow*> {
  static constexpr RowNames<VisionTowerRow> names{};
};

struct VisionOptions {
  RowChoice<VisionTowerRow> tower;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    self.tower.visit(self.tower, visit, "tower", "");
  }
};

}  // namespace medseg
