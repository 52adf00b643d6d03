// Images of the training set, without their records' masks.
#include <algorithm>

#include "medseg/dataloader/training_set.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

std::optional<Image> image_of(TrainingSet& data, std::size_t index) {
  const TrainingRecord& record = data.records[index];
  const auto read = [&] {
    return read_sample_image(*record.manifest, *record.record, data.bundle);
  };
  if (!data.bad.quarantines()) return read();
  if (data.bad.has_bad_image(index)) return std::nullopt;
  try {
    return read();
  } catch (const RecordError& error) {
    data.bad.note(index, error);
    return std::nullopt;
  }
}

ImageSizes image_sizes(TrainingSet& data, std::size_t most) {
  const auto all = data.records.images();
  const auto stride = std::max<std::size_t>(1, (all.size() + most - 1) / most);
  ImageSizes sizes;
  sizes.images = static_cast<std::int64_t>(all.size());
  std::size_t i = 0;
  for (const auto& [source, index] : all) {
    if (i++ % stride != 0) continue;
    if (const auto image = image_of(data, index))
      sizes.some.emplace_back(image->width, image->height);
  }
  return sizes;
}

}  // namespace medseg
