/// \file
/// How frozen matrices are kept in memory, and the weights with which a model answers between
/// steps.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/nn/linear.h"
#include "medseg/training/options.h"

namespace medseg {

/// Keeps frozen matrices in bf16 or fp16, which halves their memory and spares a cast at each use.
/// Saved bundles have the original values: as long as an Original exists, the model has them back,
/// read from the bundle's file.
///
/// The language model's projections may be quantised instead (low_bit.h). Then adapters train
/// beside the quantised values, so evaluations and saved bundles use these: a saved bundle is bit
/// for bit the model that was trained.
class FrozenStorage {
 public:
  /// With `precision` kFloat, frozen matrices that the bundle has in bf16 become fp32. The encoders
  /// are not changed: they run once for each image. `format`: TrainOptions::frozen_storage. \throws
  /// CheckpointError on a value beyond fp16's range, or one that is not finite when quantised;
  /// ConfigError "train.frozen_storage" if no projection is frozen.
  FrozenStorage(OpenBundle& bundle, at::ScalarType precision,
                FrozenFormat format = FrozenFormat::kPrecision);

  class Original {
   public:
    explicit Original(FrozenStorage& storage);
    ~Original();
    Original(const Original&) = delete;
    Original& operator=(const Original&) = delete;

   private:
    FrozenStorage& storage_;
    std::vector<at::Tensor> small_;
  };

 private:
  void store_low_bit(Segmenter& model, at::ScalarType precision, FrozenFormat format);

  std::filesystem::path bundle_;
  std::vector<std::pair<std::string, at::Tensor*>> cast_;
};

/// As long as one exists, the model answers as the bundle saved from it would: with adapters merged
/// into the original weights, which are then stored like frozen matrices. This is twice as fast as
/// with adapters, and gives the scores of evaluating that bundle.
class MergedAdapters {
 public:
  MergedAdapters(OpenBundle& bundle, FrozenStorage& frozen, at::ScalarType precision);
  ~MergedAdapters();
  MergedAdapters(const MergedAdapters&) = delete;
  MergedAdapters& operator=(const MergedAdapters&) = delete;

 private:
  std::vector<Linear*> layers_;
};

}  // namespace medseg
