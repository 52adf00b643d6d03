/// \file
/// What a process holds at the peak of a training, from shapes, a probed step and two measured constants.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "medseg/models/segmenter.h"
#include "medseg/planning/step_probe.h"
#include "medseg/training/options.h"

namespace medseg {

/// The part of a model that a parameter belongs to: "vision tower", "projector", "language model", "segmentation head",
/// "grounding encoder", "mask decoder".
const char* part_of(const std::string& parameter);

struct PlannedData {
  std::int64_t pictures = 0, masks = 0;
  double pixels = 0;  ///< of a picture, in the mean
};

class PlannedMemory {
 public:
  /// `model`: an outline (without values) in which exactly what trains requires a gradient. All three must outlive this object.
  PlannedMemory(const TrainConfig& config, Segmenter& model, const PlannedData& data);

  /// By component, in bytes; Plan::peak. `step`: of a micro-batch, as many of which make a step as `accumulation` says.
  std::vector<std::pair<std::string, double>> at_peak(const StepMemory& step,
                                                      std::int64_t accumulation) const;

 private:
  struct WeightBytes {
    double resident =
        0;  ///< as they are kept, and the encoders made ready for plain passes beside them
    double to_save =
        0;  ///< of the file, where a checkpoint takes original values instead of narrow ones
    double trained = 0;  ///< of what trains, in fp32
  };
  WeightBytes weight_bytes() const;
  double low_bit_bytes(const at::Tensor& matrix) const;
  double picture_bytes() const;
  double map_cells(std::int64_t pool) const;

  const TrainConfig& config_;
  const TrainOptions& options_;
  Segmenter& model_;
  const PlannedData& data_;
  at::ScalarType precision_;
};

}  // namespace medseg
