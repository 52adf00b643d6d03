#include "medseg/dataloader/training_batch.h"

#include <ATen/ATen.h>

#include "medseg/models/grounding.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

template <class Change>
TrainingBatch changed(TrainingBatch batch, const Change& change) {
  const auto apply = [&](at::Tensor& tensor) {
    if (tensor.defined()) tensor = change(tensor);
  };
  apply(batch.dialogues.vision_features);
  apply(batch.image_embeddings);
  for (auto& truth : batch.truths) {
    apply(truth.masks);
    apply(truth.distances);
  }
  return batch;
}

}  // namespace

TrainingBatch make_training_batch(const std::vector<Sample>& samples, const Segmenter& model,
                                  at::ScalarType precision) {
  TrainingBatch batch;
  std::vector<const Sample*> pointers;
  std::vector<at::Tensor> embeddings;
  for (const Sample& sample : samples) {
    pointers.push_back(&sample);
    batch.ids.push_back(sample.id);
    batch.tokens += sequence_length(sample.dialogue, model);
    batch.masks += static_cast<std::int64_t>(sample.masks.size());
    batch.targets.insert(batch.targets.end(), sample.targets.begin(), sample.targets.end());
    if (!model.has_grounding()) continue;
    const ModelFrame& frame = sample.features->frame;
    embeddings.push_back(sample.features->grounding);
    batch.truths.push_back({mask_tensor(sample.masks, static_cast<int>(frame.image_width),
                                        static_cast<int>(frame.image_height)),
                            frame});
  }
  batch.dialogues = make_batch(pointers);
  if (!embeddings.empty()) batch.image_embeddings = at::stack(embeddings).to(precision);
  return batch;
}

TrainingBatch pinned_for(at::Device device, TrainingBatch batch) {
  if (!device.is_cuda()) return batch;
  return changed(std::move(batch), [](const at::Tensor& tensor) { return tensor.pin_memory(); });
}

TrainingBatch moved_to(at::Device device, TrainingBatch batch) {
  return changed(std::move(batch), [&](const at::Tensor& tensor) {
    return tensor.to(device, tensor.scalar_type(), /*non_blocking=*/tensor.is_pinned());
  });
}

}  // namespace medseg
