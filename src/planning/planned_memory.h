/// \file
/// The memory of a process at the peak of training, from shapes, a probed step and two measured
/// constants.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "medseg/base/choice.h"
#include "medseg/models/segmenter.h"
#include "medseg/planning/step_probe.h"
#include "medseg/training/options.h"

namespace medseg {

enum class ModelPart {
  kVisionTower,
  kProjector,
  kLanguageModel,
  kSegmentationHead,
  kGroundingEncoder,
  kMaskDecoder
};
template <>
struct Choice<ModelPart> {
  static constexpr ChoiceNames<ModelPart, 6> names = {
      {{ModelPart::kVisionTower, "vision tower"},
       {ModelPart::kProjector, "projector"},
       {ModelPart::kLanguageModel, "language model"},
       {ModelPart::kSegmentationHead, "segmentation head"},
       {ModelPart::kGroundingEncoder, "grounding encoder"},
       {ModelPart::kMaskDecoder, "mask decoder"}}};
};

/// The part of a model that a parameter belongs to.
ModelPart part_of(const std::string& parameter);

struct PlannedData {
  std::int64_t images = 0, masks = 0;
  double pixels = 0;  ///< of an image, on average
};

class PlannedMemory {
 public:
  /// `model`: an outline (without values) in which exactly the parameters that train require a
  /// gradient. All three must outlive this object.
  PlannedMemory(const TrainConfig& config, Segmenter& model, const PlannedData& data);

  /// Plan::peak. `step` is the memory of one of the `accumulation` micro-batches of a step.
  std::vector<std::pair<std::string, double>> at_peak(const StepMemory& step,
                                                      std::int64_t accumulation) const;

 private:
  struct WeightBytes {
    /// As they are kept in memory, and the encoders' folded weights beside them.
    double resident = 0;
    /// The original fp32 values that a checkpoint reads back where memory has bf16 or fp16.
    double to_save = 0;
    /// Of the parameters that train, in fp32.
    double trained = 0;
  };
  WeightBytes weight_bytes() const;
  double low_bit_bytes(const at::Tensor& matrix) const;
  double image_bytes() const;
  double map_cells(std::int64_t pool) const;

  const TrainConfig& config_;
  const TrainOptions& options_;
  Segmenter& model_;
  const PlannedData& data_;
  at::ScalarType precision_;
};

}  // namespace medseg
