#include "medseg/pipeline/features.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/autocast.h"
#include "medseg/pipeline/feature_folder.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

std::uint64_t bytes_of(const at::Tensor& tensor) { return tensor.defined() ? tensor.nbytes() : 0; }

std::uint64_t bytes_of(const ImageFeatures& features) {
  return bytes_of(features.vision) + bytes_of(features.grounding);
}

// Of one image, as it is kept.
at::Tensor stored(const at::Tensor& of_one, at::ScalarType precision, at::ScalarType storage) {
  auto kept = of_one.squeeze(0).to(storage).contiguous();
  const auto overflows = [](const at::Tensor& x) { return x.isinf().any().item<bool>(); };
  if (storage == at::kHalf && precision != at::kHalf && overflows(kept) && !overflows(of_one))
    throw ConfigError(
        "data.cache_dtype",
        "\"fp16\" does not hold the features of this model (beyond 65504); \"bf16\" does");
  return kept;
}

}  // namespace

ImageKey key_of(const Image& image) {
  return {str_cat(image.width, "x", image.height, "x", image.channels, ":",
                  sha256(std::span<const std::uint8_t>(image.pixels)))};
}

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

ImageFeatures encode(const EncoderInputs& inputs, const Segmenter& model, at::ScalarType precision,
                     std::optional<at::ScalarType> storage) {
  const auto device = model.device();
  const AutocastScope autocast(device.type(), precision);
  const auto kept_as = storage.value_or(precision);
  ImageFeatures features;
  features.frame = inputs.frame;
  if (model.has_vision()) {
    features.vision = stored(model.vision().features(inputs.vision.to(device)), precision, kept_as);
  }
  if (model.has_grounding()) {
    features.grounding = stored(model.grounding().encoder().forward(inputs.grounding.to(device)),
                                precision, kept_as);
  }
  return features;
}

ImageFeatures encode_image(const Image& image, const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision, std::optional<at::ScalarType> storage) {
  const at::NoGradGuard no_grad;  // not InferenceMode: training reads these tensors under autograd
  auto features = encode(encoder_inputs(image, model, options), model, precision, storage);
  for (auto* tensor : {&features.vision, &features.grounding}) {
    if (tensor->defined()) *tensor = tensor->cpu();
  }
  return features;
}

FeatureCache::FeatureCache(const Segmenter& model, const BundleOptions& options,
                           const FeatureCacheOptions& how)
    : model_(model), options_(options), how_(how) {
  if (how_.folder.empty()) return;
  folder_ = std::make_unique<FeatureFolder>(
      how_.folder,
      feature_form(model, options, how_.precision, how_.storage.value_or(how_.precision)),
      how_.keep_free_bytes);
}

FeatureCache::FeatureCache(const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision, std::uint64_t limit_bytes)
    : FeatureCache(model, options, {.precision = precision, .limit_bytes = limit_bytes}) {}

FeatureCache::~FeatureCache() = default;

std::shared_ptr<const ImageFeatures> FeatureCache::get(const ImageKey& key, const Image& image) {
  if (auto known = find(key)) return known;
  auto computed = compute(image);
  {
    const std::lock_guard lock(mutex_);
    ++counts_.computed;
  }
  if (folder_) folder_->add(key, *computed);
  return remember(key, std::move(computed));
}

std::shared_ptr<const ImageFeatures> FeatureCache::get_augmented(const Image& image) {
  auto computed = compute(image);
  const std::lock_guard lock(mutex_);
  ++counts_.computed;
  ++counts_.augmented;
  return computed;
}

std::shared_ptr<const ImageFeatures> FeatureCache::find(const ImageKey& key) {
  if (auto known = recall(key)) return known;
  auto kept = folder_ ? folder_->find(key) : nullptr;
  if (!kept) return nullptr;
  {
    const std::lock_guard lock(mutex_);
    ++counts_.from_disk;
  }
  return remember(key, std::move(kept));
}

std::shared_ptr<const ImageFeatures> FeatureCache::compute(const Image& image) const {
  return std::make_shared<const ImageFeatures>(
      encode_image(image, model_, options_, how_.precision, how_.storage));
}

std::shared_ptr<const ImageFeatures> FeatureCache::recall(const ImageKey& key) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(key.text);
  if (found == entries_.end()) return nullptr;
  ++counts_.from_memory;
  found->second.used = ++clock_;
  return found->second.features;
}

std::shared_ptr<const ImageFeatures> FeatureCache::remember(
    const ImageKey& key, std::shared_ptr<const ImageFeatures> features) {
  const std::lock_guard lock(mutex_);
  if (const auto found = entries_.find(key.text); found != entries_.end())
    return found->second.features;  // another thread was faster
  const auto bytes = bytes_of(*features);
  while (!entries_.empty() && bytes_ + bytes > how_.limit_bytes) {
    auto oldest = entries_.begin();
    for (auto it = entries_.begin(); it != entries_.end(); ++it) {
      if (it->second.used < oldest->second.used) oldest = it;
    }
    bytes_ -= oldest->second.bytes;
    entries_.erase(oldest);
  }
  if (bytes <= how_.limit_bytes) {
    entries_[key.text] = {features, bytes, ++clock_};
    bytes_ += bytes;
  }
  return features;
}

bool FeatureCache::full() {
  const std::lock_guard lock(mutex_);
  if (how_.limit_bytes == 0) return true;
  const auto mean = entries_.empty() ? 0 : bytes_ / entries_.size();
  return bytes_ + 2 * mean > how_.limit_bytes;
}

FeatureCounts FeatureCache::counts() const {
  FeatureCounts counts;
  {
    const std::lock_guard lock(mutex_);
    counts = counts_;
    counts.bytes_in_memory = bytes_;
  }
  if (folder_) {
    counts.damaged = folder_->damaged();
    counts.written = folder_->written();
    counts.bytes_read = folder_->bytes_read();
    counts.bytes_written = folder_->bytes_written();
  }
  return counts;
}

}  // namespace medseg
