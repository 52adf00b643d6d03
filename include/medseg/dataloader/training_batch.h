/// \file
/// A micro-batch, whole and ready for the model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/models/segmenter.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

struct TrainingBatch {
  std::vector<std::string> ids;  ///< of its records, for messages
  DialogueBatch dialogues;
  at::Tensor image_embeddings;       ///< [B, C, h, w]; undefined in a language-only model
  std::vector<MaskTruth> truths;     ///< one a dialogue
  std::int64_t tokens = 0;           ///< image tokens included, padding not
  std::int64_t masks = 0;            ///< `[SEG]` of all dialogues
  std::vector<std::string> targets;  ///< label of each mask, dialogue by dialogue
};

/// Samples side by side, with the truths that the masks' losses need. Features that are stored in
/// another dtype are widened to `precision`. \pre all samples have features.
TrainingBatch make_training_batch(const std::vector<Sample>& samples, const Segmenter& model,
                                  at::ScalarType precision);

/// In page-locked memory where the batch goes to a GPU, which then copies it while it computes; as
/// it is for the CPU.
TrainingBatch pinned_for(at::Device device, TrainingBatch batch);
/// All tensors on `device`; from page-locked memory without waiting for the copy.
TrainingBatch moved_to(at::Device device, TrainingBatch batch);

}  // namespace medseg
