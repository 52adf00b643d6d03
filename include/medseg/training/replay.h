/// \file
/// Prompt replay: more masks per pass of the language model.
///
/// The mask decoder needs far more examples than the language model, and a pass of the language
/// model costs ten times a mask. So the latest prompts of each target are remembered, and once in
/// every optimiser step, after its micro-batches, further masks of the training set are decoded
/// with them. A remembered prompt is a constant: the replayed loss trains the decoder alone.
/// Replayed images may be decoded on a coarser grid of averaged cells. Their masks cost a quarter
/// and are still compared with the truth in the image's pixels: SAM's positions are fractions of
/// the image, so nothing in the decoder depends on the size of the grid. Own to this project; off
/// by default (train.replay.masks).
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "medseg/base/random.h"
#include "medseg/comm/comm.h"
#include "medseg/dataloader/mask_targets.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/optim/grad_scaler.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/training/options.h"
#include "medseg/training/time_table.h"

namespace medseg {

/// The loss of one step's replayed masks, weighted: each prompt [M, C] with the image of the same
/// index in `embeddings` [M, C, h, w].
at::Tensor replay_loss(const Segmenter& model, const at::Tensor& embeddings,
                       const at::Tensor& prompts, const std::vector<MaskTruth>& truths,
                       const TrainOptions& options);

class MaskReplay {
 public:
  /// Both must outlive it.
  MaskReplay(const TrainOptions& options, TrainingSet& data);

  bool is_on() const { return options_.replay.masks > 0; }
  /// Keeps the prompts [K, C] of a micro-batch under their targets.
  void remember(const std::vector<std::string>& targets, const at::Tensor& prompts);
  /// Adds the gradients of `masks` further masks, drawn from (seed, step): rare targets come more
  /// often, by the inverse square root of their number. Does nothing before the first prompt is
  /// known. Returns, for Quarantine::add, the records that it drew and found bad; it draws others
  /// for them. On several ranks all remember the prompts of all, in the order of the micro-batches,
  /// and each decodes its share of the masks. \throws DataError if it finds no good record.
  std::vector<BadSample> backward(const Segmenter& model, FeatureCache& cache, std::int64_t step,
                                  TimeTable& times, const GradScaler& scaler, Comm& comm);

  /// For checkpoints: "replay.TARGET" [n, C], newest last.
  std::vector<std::pair<std::string, at::Tensor>> state() const;
  void restore(const std::vector<std::pair<std::string, at::Tensor>>& state);

 private:
  void exchange(Comm& comm);
  /// The image's feature grid in the run's precision, replay.pool² cells averaged to one.
  at::Tensor pooled(const ImageFeatures& features, at::ScalarType precision);

  struct Source {
    MaskTarget target;
    double share = 0;  ///< of the draws, among all sources
    at::Tensor truth;  ///< [1, H, W] uint8, read at the first use
  };
  /// `reach`: running sum of the sources' shares.
  Source& draw(const std::vector<double>& reach, RandomStream& random, std::vector<BadSample>& bad);

  const TrainOptions& options_;
  MaskTargetReader reader_;
  std::vector<Source> sources_;
  std::map<const ImageFeatures*, at::Tensor> pooled_;  ///< the reader keeps the features alive
  std::map<std::string, std::deque<at::Tensor>> memory_;
  std::vector<std::pair<std::string, at::Tensor>> fresh_;  ///< [C] float32 each, of this step
};

}  // namespace medseg
