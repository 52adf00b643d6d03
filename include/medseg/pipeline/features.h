/// \file
/// Features of the frozen encoders, computed once a picture and kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include <ATen/core/Tensor.h>

#include "medseg/image/image.h"
#include "medseg/models/bundle.h"
#include "medseg/models/segmenter.h"

namespace medseg {

struct ImageFeatures {
  at::Tensor vision;     ///< [N, Dv], the tower's patch features, storage dtype
  at::Tensor grounding;  ///< [C, h, w], storage dtype; undefined in a language-only model
  ModelFrame frame;
};

/// One picture as the two encoders take it; undefined where the model lacks the encoder.
struct EncoderInputs {
  at::Tensor vision;     ///< [1, 3, S, S] float32, model frame
  at::Tensor grounding;  ///< [1, 3, G, G] float32, model frame
  ModelFrame frame;
};
EncoderInputs encoder_inputs(const Image& image, const Segmenter& model,
                             const BundleOptions& options);

/// Runs both encoders in `precision` (precision.h) on the model's device, with gradients where a parameter of theirs wants one.
ImageFeatures encode(const EncoderInputs& inputs, const Segmenter& model, at::ScalarType precision);

/// The two steps above on one picture, without autograd; the features lie in the machine's memory, whatever the device.
ImageFeatures encode_image(const Image& image, const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision);

/// In memory, keyed by the picture's bytes; values are shared and never change. Safe for several threads.
/// Only valid while encoders do not train and pictures are not augmented.
class FeatureCache {
 public:
  /// `limit_bytes`: beyond it features are computed again each time (least recently used go first).
  FeatureCache(const Segmenter& model, const BundleOptions& options, at::ScalarType precision,
               std::uint64_t limit_bytes);

  std::shared_ptr<const ImageFeatures> get(const Image& image);
  /// What get() would give without computing; null where it would have to.
  std::shared_ptr<const ImageFeatures> find(const Image& image);
  /// Nearly at its limit: one more picture may push another out.
  bool full();
  std::uint64_t hits() const { return hits_; }
  std::uint64_t misses() const { return misses_; }

 private:
  struct Entry {
    std::shared_ptr<const ImageFeatures> features;
    std::uint64_t bytes = 0, used = 0;
  };
  const Segmenter& model_;
  const BundleOptions& options_;
  at::ScalarType precision_;
  std::uint64_t limit_bytes_, bytes_ = 0, clock_ = 0, hits_ = 0, misses_ = 0;
  std::map<std::string, Entry> entries_;
  std::mutex mutex_;  ///< not held while a picture is encoded
};

}  // namespace medseg
