// A micro-batch on its way to the device.
#include <ATen/ATen.h>

#include "medseg/dataloader/training_set.h"

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
