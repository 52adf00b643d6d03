#include "medseg/pipeline/features.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

std::string key_of(const Image& image) {
  return str(image.width, "x", image.height, "x", image.channels, ":",
             sha256(std::span<const std::uint8_t>(image.pixels)));
}

std::uint64_t bytes_of(const at::Tensor& tensor) { return tensor.defined() ? tensor.nbytes() : 0; }

}  // namespace

EncoderInputs encoder_inputs(const Image& image, const Segmenter& model,
                             const BundleOptions& options) {
  EncoderInputs inputs;
  if (model.has_vision()) {
    const auto size = model.vision().image_size();
    inputs.vision = vision_input(image, options.vision_preprocess, size).unsqueeze(0);
  }
  if (model.has_grounding()) {
    const auto size = model.grounding().encoder().image_size();
    const auto input = grounding_input(image, options.grounding_preprocess, size);
    inputs.grounding = input.pixels.unsqueeze(0);
    inputs.frame = input.frame;
  }
  return inputs;
}

ImageFeatures encode(const EncoderInputs& inputs, const Segmenter& model,
                     at::ScalarType precision) {
  const auto device = model.device();
  const AutocastScope autocast(device.type(), precision);
  const auto stored = [&](const at::Tensor& of_one) {
    return of_one.squeeze(0).to(precision).contiguous();
  };
  ImageFeatures features;
  features.frame = inputs.frame;
  if (model.has_vision())
    features.vision = stored(model.vision().features(inputs.vision.to(device)));
  if (model.has_grounding()) {
    features.grounding = stored(model.grounding().encoder().forward(inputs.grounding.to(device)));
  }
  return features;
}

ImageFeatures encode_image(const Image& image, const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision) {
  const at::NoGradGuard no_grad;  // not InferenceMode: training reads these tensors under autograd
  auto features = encode(encoder_inputs(image, model, options), model, precision);
  for (auto* tensor : {&features.vision, &features.grounding}) {
    if (tensor->defined()) *tensor = tensor->cpu();
  }
  return features;
}

FeatureCache::FeatureCache(const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision, std::uint64_t limit_bytes)
    : model_(model), options_(options), precision_(precision), limit_bytes_(limit_bytes) {}

std::shared_ptr<const ImageFeatures> FeatureCache::get(const Image& image) {
  const std::string key = key_of(image);
  std::unique_lock lock(mutex_);
  ++clock_;
  if (const auto found = entries_.find(key); found != entries_.end()) {
    ++hits_;
    found->second.used = clock_;
    return found->second.features;
  }
  ++misses_;
  lock.unlock();
  auto features =
      std::make_shared<const ImageFeatures>(encode_image(image, model_, options_, precision_));
  lock.lock();
  if (const auto found = entries_.find(key); found != entries_.end())
    return found->second.features;  // another's
  const std::uint64_t bytes = bytes_of(features->vision) + bytes_of(features->grounding);
  while (!entries_.empty() && bytes_ + bytes > limit_bytes_) {
    auto oldest = entries_.begin();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->second.used < oldest->second.used) oldest = it;
    }
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
  }
  if (bytes <= limit_bytes_) {
    entries_[key] = {features, bytes, clock_};
    bytes_ += bytes;
  }
  return features;
}

std::shared_ptr<const ImageFeatures> FeatureCache::find(const Image& image) {
  const std::string key = key_of(image);
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return nullptr;
  ++hits_;
  found->second.used = ++clock_;
  return found->second.features;
}

bool FeatureCache::full() {
  const std::lock_guard lock(mutex_);
  if (limit_bytes_ == 0) return true;
  const auto mean = entries_.empty() ? 0 : bytes_ / entries_.size();
  return bytes_ + 2 * mean > limit_bytes_;
}

}  // namespace medseg
