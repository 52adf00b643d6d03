/// \file
/// Which parameters train, and how the frozen ones are kept.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "medseg/nn/linear.h"
#include "medseg/pipeline/sample.h"
#include "medseg/training/optimizer.h"

namespace medseg {

/// Adds adapters (from a PEFT folder, if one is named), splits token rows, and lets exactly the chosen parameters require a
/// gradient. Returns them in model order. Draws from torch's generator.
/// \throws ConfigError "train.…" on a pattern that names nothing or an encoder (those run once a picture, before training);
/// CheckpointError when a part that answers depend on was initialised and would stay untrained, or on an adapter that
/// is another model's or another rank's.
std::vector<TrainedParameter> choose_trained(OpenBundle& bundle, const TrainOptions& options);

/// What training these parameters leaves of BundleOptions::initialised: entries of other parameters, those that no loss
/// reaches, and of token rows "NAME[first:end]" the part in front of the first row that trains.
std::vector<std::string> still_initialised(const BundleOptions& options,
                                           const std::vector<TrainedParameter>& trained);

/// Frozen matrices in bf16 or fp16: half the memory, and no cast at every use. Saved bundles hold the values they came with:
/// while an Original lives, the model has them back, straight from the bundle's file and in the machine's memory.
/// The language model's projections may go into few bits instead (low_bit.h). Adapters then learn beside what those bits
/// stand for, so evaluations and saved bundles have that too: a bundle is the model that was trained, to the bit.
class FrozenStorage {
 public:
  /// With fp32 it changes nothing but frozen matrices that the bundle keeps in bf16: those become fp32. The encoders
  /// stay as they are: they run once a picture. `storage`: TrainOptions::frozen_storage.
  /// \throws CheckpointError on a value beyond fp16's range, and on one that few bits cannot hold;
  /// ConfigError "train.frozen_storage: …" where no projection is frozen.
  FrozenStorage(OpenBundle& bundle, at::ScalarType precision,
                const std::string& storage = "precision");

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
  void store_low_bit(Segmenter& model, at::ScalarType precision, const std::string& storage);

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

/// Exponential moving average of what trains; `decay` rises to its value over the first steps, so that the first values
/// do not weigh for long: min(decay, (1 + t) / (10 + t)).
class Ema {
 public:
  Ema(double decay, const std::vector<TrainedParameter>& parameters);

  bool on() const { return decay_ > 0; }
  void update(std::int64_t step);

  /// While one lives, the averages stand in the model.
  class Averaged {
   public:
    explicit Averaged(Ema& ema) : ema_(ema) { ema_.swap(); }
    ~Averaged() { ema_.swap(); }
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

   private:
    Ema& ema_;
  };

  /// "ema.NAME", to save or to copy into.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  void swap();  ///< the averages and the values in the model change places

  double decay_;
  std::vector<TrainedParameter> parameters_;
  std::vector<at::Tensor> averages_;
};

}  // namespace medseg
