/// \file
/// Features of the frozen encoders, computed once an image and kept: in memory, and on disk for
/// later runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <ATen/core/Tensor.h>

#include "medseg/bundle/bundle.h"
#include "medseg/image/image.h"
#include "medseg/models/grounding.h"
#include "medseg/models/segmenter.h"

namespace medseg {

struct ImageFeatures {
  at::Tensor vision;     ///< [N, Dv], the tower's patch features, storage dtype
  at::Tensor grounding;  ///< [C, h, w], storage dtype; undefined in a language-only model
  ModelFrame frame;
};

/// One image as the two encoders take it; undefined where the model lacks the encoder.
struct EncoderInputs {
  at::Tensor vision;     ///< [1, 3, S, S] float32, model frame
  at::Tensor grounding;  ///< [1, 3, G, G] float32, model frame
  ModelFrame frame;
};
EncoderInputs encoder_inputs(const Image& image, const Segmenter& model,
                             const BundleOptions& options);

/// Runs both encoders in `precision` (precision.h) on the model's device, with gradients where a
/// parameter of theirs wants one. Features have the dtype `storage`, without one `precision`.
/// \throws ConfigError if fp16 storage cannot hold what another precision computed.
ImageFeatures encode(const EncoderInputs& inputs, const Segmenter& model, at::ScalarType precision,
                     std::optional<at::ScalarType> storage = {});

/// The two steps above on one image, without autograd; the features lie in the machine's memory,
/// whatever the device.
ImageFeatures encode_image(const Image& image, const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision, std::optional<at::ScalarType> storage = {});

/// What an image's features are found by. Equal pixels have equal keys: each slice of a volume,
/// through each window, has a key of its own. Costs a hash of all pixels, so make it once a visit.
struct ImageKey {
  std::string text;  ///< "WxHxC:SHA-256 of the 8-bit pixels"
};
ImageKey key_of(const Image& image);

struct FeatureCacheOptions {
  at::ScalarType precision = at::kFloat;
  std::optional<at::ScalarType> storage = {};  ///< in memory and on disk; precision where left out
  /// In memory. The least recently used go first, and are read or computed again.
  std::uint64_t limit_bytes = 0;
  std::filesystem::path folder = {};              ///< feature_folder.h; empty: memory alone
  std::uint64_t keep_free_bytes = 1'000'000'000;  ///< on the folder's disk
};

/// How often features were asked for and where they came from; bytes of tensors.
struct FeatureCounts {
  std::uint64_t computed = 0, from_memory = 0, from_disk = 0, augmented = 0, damaged = 0,
                written = 0;
  std::uint64_t bytes_in_memory = 0, bytes_read = 0, bytes_written = 0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("computed", self.computed);
    visit("from_memory", self.from_memory);
    visit("from_disk", self.from_disk);
    visit("augmented", self.augmented, {}, "computed too, past the cache");
    visit("damaged", self.damaged, {}, "entries of the folder that could not be used");
    visit("written", self.written);
    visit("bytes_in_memory", self.bytes_in_memory, {}, "now; views of mapped entries too");
    visit("bytes_read", self.bytes_read);
    visit("bytes_written", self.bytes_written);
  }
};

class FeatureFolder;

/// In memory and, with a folder, on disk. Values are shared and never change. What get() gives does
/// not depend on where it came from. Safe for several threads. Only valid while encoders do not
/// train.
class FeatureCache {
 public:
  /// `model` and `options` must outlive it. \throws DataError if the folder cannot be used.
  FeatureCache(const Segmenter& model, const BundleOptions& options,
               const FeatureCacheOptions& how);
  /// In memory alone, stored in `precision`.
  FeatureCache(const Segmenter& model, const BundleOptions& options, at::ScalarType precision,
               std::uint64_t limit_bytes);
  ~FeatureCache();

  /// `key` is key_of(image). Computes what is not known.
  std::shared_ptr<const ImageFeatures> get(const ImageKey& key, const Image& image);
  std::shared_ptr<const ImageFeatures> get(const Image& image) { return get(key_of(image), image); }
  /// What get() would give without computing; null where it would have to.
  std::shared_ptr<const ImageFeatures> find(const ImageKey& key);
  /// Of an augmented image: neither looked up nor kept, since it will hardly come again.
  std::shared_ptr<const ImageFeatures> get_augmented(const Image& image);
  /// Nearly at its limit: one more image may push another out of memory.
  bool full();
  /// The dtype that features are computed in. Those stored in a narrower one are to be widened to
  /// it.
  at::ScalarType precision() const { return how_.precision; }
  FeatureCounts counts() const;
  /// Null without one.
  const FeatureFolder* folder() const { return folder_.get(); }

 private:
  struct Entry {
    std::shared_ptr<const ImageFeatures> features;
    std::uint64_t bytes = 0, used = 0;
  };
  std::shared_ptr<const ImageFeatures> recall(const ImageKey& key);
  std::shared_ptr<const ImageFeatures> remember(const ImageKey& key,
                                                std::shared_ptr<const ImageFeatures> features);
  std::shared_ptr<const ImageFeatures> compute(const Image& image) const;

  const Segmenter& model_;
  const BundleOptions& options_;
  FeatureCacheOptions how_;
  std::unique_ptr<FeatureFolder> folder_;
  std::uint64_t bytes_ = 0, clock_ = 0;
  FeatureCounts counts_;  ///< but for what the folder counts
  std::map<std::string, Entry> entries_;
  mutable std::mutex mutex_;  ///< not held while an image is encoded or read
};

}  // namespace medseg
