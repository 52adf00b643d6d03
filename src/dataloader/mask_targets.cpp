#include "medseg/dataloader/mask_targets.h"

#include <ATen/ATen.h>

#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/models/grounding.h"
#include "medseg/pipeline/preprocess.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

std::vector<MaskTarget> mask_targets(const TrainingRecords& records) {
  std::vector<MaskTarget> found;
  std::set<std::string> seen;
  for (std::size_t index = 0; index < records.size(); ++index) {
    const auto& record = records[index];
    const auto [file, slice] = record.image();
    const auto image =
        str_cat(record.manifest->path().string(), "|", file.string(), "|", slice, "|");
    for (const RecordTurn* turn : answered_turns(*record.record)) {
      const auto labels = targets_of(*record.record, *turn);
      for (std::size_t k = 0; k < labels.size(); ++k) {
        if (seen.insert(image + labels[k]).second)
          found.push_back({index, turn->masks[k], labels[k]});
      }
    }
  }
  return found;
}

std::optional<BadSample> MaskTargetReader::fault_of(const MaskTarget& target) {
  if (!data_.bad.quarantines() || whole_.contains(target.record)) return std::nullopt;
  if (auto known = data_.bad.find(target.record)) return known;
  const TrainingRecord& record = data_.records[target.record];
  try {
    read_sample(*record.manifest, *record.record, record.dialogue, data_.bundle);
  } catch (const RecordError& error) {
    return data_.bad.note(target.record, error);
  }
  whole_.insert(target.record);
  return std::nullopt;
}

std::shared_ptr<const ImageFeatures> MaskTargetReader::features_of(const MaskTarget& target,
                                                                   FeatureCache& cache) {
  const TrainingRecord& record = data_.records[target.record];
  auto& features = features_[record.image()];
  if (!features) features = cache.get(load_image(*record.manifest, *record.record));
  return features;
}

at::Tensor MaskTargetReader::read_truth(const MaskTarget& target, const ModelFrame& frame) const {
  const TrainingRecord& record = data_.records[target.record];
  const auto width = static_cast<int>(frame.image_width),
             height = static_cast<int>(frame.image_height);
  const auto mask = load_mask(*record.manifest, *record.record, target.ids, width, height);
  return mask_tensor({mask}, width, height).to(at::kByte);
}

}  // namespace medseg
