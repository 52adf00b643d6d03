/// \file
/// How parameters that do not train are kept, and what a model answers with between steps.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/nn/linear.h"
#include "medseg/training/options.h"

namespace medseg {

/// Frozen matrices in bf16 or fp16: half the memory, and no cast at every use. Saved bundles hold the values they came with:
/// while an Original lives, the model has them back, straight from the bundle's file and in the machine's memory.
/// The language model's projections may go into few bits instead (low_bit.h). Adapters then learn beside what those bits
/// stand for, so evaluations and saved bundles have that too: a bundle is the model that was trained, to the bit.
class FrozenStorage {
 public:
  /// With fp32 it changes nothing but frozen matrices that the bundle keeps in bf16: those become fp32. The encoders
  /// stay as they are: they run once a picture. `format`: TrainOptions::frozen_storage.
  /// \throws CheckpointError on a value beyond fp16's range, and on one that few bits cannot hold;
  /// ConfigError "train.frozen_storage: …" where no projection is frozen.
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

/// While one lives, the model answers as the bundle saved from it would: adapters merged into the original weights, then
/// stored as a frozen matrix is. Twice as fast as with adapters, and the scores are those of evaluating that bundle.
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
