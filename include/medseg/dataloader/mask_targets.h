/// \file
/// The masks of a training set, each once, however many questions ask for it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/dataloader/training_set.h"
#include "medseg/pipeline/features.h"

namespace medseg {

/// An image and what a `[SEG]` about it stands for.
struct MaskTarget {
  std::size_t record = 0;        ///< index in the set
  std::vector<std::string> ids;  ///< of the mask, or of the masks whose union it is
  std::string label;
};
std::vector<MaskTarget> mask_targets(const TrainingRecords& records);

/// Reads mask targets again and again. Remembers the features of every image that it met, and which
/// records are whole. For one thread.
class MaskTargetReader {
 public:
  /// `data` must outlive it.
  explicit MaskTargetReader(TrainingSet& data) : data_(data) {}

  /// Why the target's record cannot be read as a whole; never anything where bad records end the
  /// run.
  std::optional<BadSample> fault_of(const MaskTarget& target);
  /// Of the target's image.
  std::shared_ptr<const ImageFeatures> features_of(const MaskTarget& target, FeatureCache& cache);
  /// [1, H, W] uint8, of the image's size.
  at::Tensor read_truth(const MaskTarget& target, const ModelFrame& frame) const;

 private:
  TrainingSet& data_;
  std::map<ImageSource, std::shared_ptr<const ImageFeatures>> features_;
  std::set<std::size_t> whole_;  ///< records
};

}  // namespace medseg
