#include "planned_memory.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "medseg/models/grounding.h"
#include "medseg/models/part_names.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/low_bit.h"
#include "medseg/nn/precision.h"

namespace medseg {
namespace {

// Measured on Debian 12 with the pinned LibTorch and tcmalloc: the memory of a process before its
// first tensor (libraries, threads, oneDNN's kernels), and the memory that the allocator holds
// divided by that of the tensors.
constexpr double kProgram = 0.20e9;
constexpr double kSlack = 1.10;

}  // namespace

ModelPart part_of(const std::string& parameter) {
  const auto is_of = [&](const std::string& prefix) { return parameter.starts_with(prefix); };
  if (is_of(part::kVisionTower)) return ModelPart::kVisionTower;
  if (is_of(part::kProjector)) return ModelPart::kProjector;
  if (is_of(part::kSegmentationHead)) return ModelPart::kSegmentationHead;
  if (is_of(part::kGroundingEncoder)) return ModelPart::kGroundingEncoder;
  if (is_of(part::kGrounding)) return ModelPart::kMaskDecoder;
  return ModelPart::kLanguageModel;
}

PlannedMemory::PlannedMemory(const TrainConfig& config, Segmenter& model, const PlannedData& data)
    : config_(config),
      options_(config.train),
      model_(model),
      data_(data),
      precision_(dtype_of(options_.precision)) {}

PlannedMemory::WeightBytes PlannedMemory::weight_bytes() const {
  WeightBytes bytes;
  const bool narrows = precision_ != at::kFloat;
  for (const auto& [name, tensor] : model_.named_parameters()) {
    const auto plain = static_cast<double>(tensor->nbytes());
    const auto of = part_of(name);
    const bool encoder = of == ModelPart::kVisionTower || of == ModelPart::kGroundingEncoder;
    const bool kept =
        encoder || tensor->requires_grad() || tensor->dim() != 2 || of == ModelPart::kMaskDecoder;
    if (kept) {
      bytes.resident += encoder ? 2.5 * plain : plain;  // folded in fp32, and in bf16
    } else if (options_.frozen_storage != FrozenFormat::kPrecision &&
               name.starts_with(part::kLanguageLayers)) {
      bytes.resident += low_bit_bytes(*tensor);
    } else if (narrows && tensor->scalar_type() == at::kFloat) {
      bytes.resident += plain / 2;
      bytes.to_save += plain;
    } else {
      bytes.resident += plain;
    }
  }
  for (const auto& [name, tensor] : model_.trainable_leaves()) {
    if (tensor->requires_grad()) bytes.trained += static_cast<double>(tensor->nbytes());
  }
  return bytes;
}

// nn/low_bit.h: codes, and a scale a row or a block.
double PlannedMemory::low_bit_bytes(const at::Tensor& matrix) const {
  const auto count = static_cast<double>(matrix.numel());
  if (options_.frozen_storage == FrozenFormat::kInt8)
    return count + 4 * static_cast<double>(matrix.size(0));
  return count / 2 + 4 * count / static_cast<double>(kNf4Block);
}

double PlannedMemory::image_bytes() const {
  const auto width = static_cast<double>(at::elementSize(precision_));
  double bytes = 0;
  if (model_.has_vision()) {
    const auto& tower = model_.vision();
    bytes += width * static_cast<double>(tower.grid() * tower.grid() * tower.width());
  }
  if (model_.has_grounding()) bytes += width * map_cells(1);
  return bytes;
}

double PlannedMemory::map_cells(std::int64_t pool) const {
  const auto grid = model_.grounding().encoder().grid() / pool;
  return static_cast<double>(grid * grid * model_.options().grounding.width);
}

std::vector<std::pair<std::string, double>> PlannedMemory::at_peak(
    const StepMemory& step, std::int64_t accumulation) const {
  const auto count = static_cast<double>(data_.images);
  const auto& replay = options_.replay;
  double features = count * image_bytes(), masks = 0;
  if (replay.masks > 0 && model_.has_grounding()) {
    // Replay keeps the pooled grid of each image and the pixels of each mask that it has drawn.
    const auto drawn = [&](double all) {
      return all * (1 - std::exp(-static_cast<double>(options_.steps * replay.masks) / all));
    };
    if (replay.pool > 1)
      masks +=
          drawn(count) * map_cells(replay.pool) * static_cast<double>(at::elementSize(precision_));
    masks += drawn(static_cast<double>(data_.masks)) * data_.pixels;
  } else {
    features = std::min(features, config_.data.cache_gb * 1e9);
  }
  const double ahead = static_cast<double>(2 * config_.data.workers + 2) * step.batch;
  const double held =
      accumulation > 1 ? step.kept + step.gradients : std::max(step.kept, step.gradients);
  const double in_step = std::max(step.batch + held + step.transient, step.gradients + step.replay);
  const auto weights = weight_bytes();
  const double moments = (options_.ema.decay > 0 ? 3 : 2) * weights.trained;
  const double slack =
      (kSlack - 1) * (weights.resident + moments + features + masks + ahead + in_step);
  return {
      {"program", kProgram},  {"weights", weights.resident}, {"optimiser", moments},
      {"features", features}, {"replayed masks", masks},     {"batches ahead", ahead},
      {"step", in_step},      {"allocator", slack},          {"weights to save", weights.to_save}};
}

}  // namespace medseg
