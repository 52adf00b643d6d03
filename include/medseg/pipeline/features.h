/// \file
/// Features of the frozen encoders, computed once a picture and kept: in memory, and on disk for later runs.
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

/// One picture as the two encoders take it; undefined where the model lacks the encoder.
struct EncoderInputs {
  at::Tensor vision;     ///< [1, 3, S, S] float32, model frame
  at::Tensor grounding;  ///< [1, 3, G, G] float32, model frame
  ModelFrame frame;
};
EncoderInputs encoder_inputs(const Image& image, const Segmenter& model,
                             const BundleOptions& options);

/// Runs both encoders in `precision` (precision.h) on the model's device, with gradients where a parameter of theirs wants
/// one. Features are `storage`, without one `precision`. \throws ConfigError if fp16 storage cannot hold what another
/// precision computed.
ImageFeatures encode(const EncoderInputs& inputs, const Segmenter& model, at::ScalarType precision,
                     std::optional<at::ScalarType> storage = {});

/// The two steps above on one picture, without autograd; the features lie in the machine's memory, whatever the device.
ImageFeatures encode_image(const Image& image, const Segmenter& model, const BundleOptions& options,
                           at::ScalarType precision, std::optional<at::ScalarType> storage = {});

/// Whether a picture is what its record names or one of the many that augmentation makes of that. An augmented picture
/// passes a cache by: it is neither looked up nor kept, since it will hardly come again.
enum class PictureKind { kOriginal, kAugmented };

struct FeatureCacheOptions {
  at::ScalarType precision = at::kFloat;
  std::optional<at::ScalarType> storage = {};  ///< in memory and on disk; precision where left out
  std::uint64_t limit_bytes =
      0;  ///< in memory; least recently used go first, read or computed again
  std::filesystem::path folder = {};              ///< feature_folder.h; empty: memory alone
  std::uint64_t keep_free_bytes = 1'000'000'000;  ///< on the folder's disk
};

/// How often a picture's features were asked for and where they came from; bytes of tensors.
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

/// In memory and, with a folder, on disk; keyed by the picture's 8-bit pixels, so that each slice of a volume, through each
/// window, is a picture of its own. Values are shared and never change. What get() gives does not depend on where it came
/// from. Safe for several threads. Only valid while encoders do not train.
class FeatureCache {
 public:
  /// `model` and `options` must outlive it. \throws DataError if the folder cannot be used.
  FeatureCache(const Segmenter& model, const BundleOptions& options,
               const FeatureCacheOptions& how);
  /// In memory alone, stored in `precision`.
  FeatureCache(const Segmenter& model, const BundleOptions& options, at::ScalarType precision,
               std::uint64_t limit_bytes);
  ~FeatureCache();

  std::shared_ptr<const ImageFeatures> get(const Image& image,
                                           PictureKind kind = PictureKind::kOriginal);
  /// What get() would give without computing; null where it would have to.
  std::shared_ptr<const ImageFeatures> find(const Image& image,
                                            PictureKind kind = PictureKind::kOriginal);
  /// Nearly at its limit: one more picture may push another out of memory.
  bool full();
  /// The dtype that features are computed in, and are to be widened to where they are stored in a narrower one.
  at::ScalarType precision() const { return how_.precision; }
  FeatureCounts counts() const;
  /// Null without one.
  const FeatureFolder* folder() const { return folder_.get(); }

 private:
  struct Entry {
    std::shared_ptr<const ImageFeatures> features;
    std::uint64_t bytes = 0, used = 0;
  };
  std::shared_ptr<const ImageFeatures> recall(const std::string& key);
  std::shared_ptr<const ImageFeatures> remember(const std::string& key,
                                                std::shared_ptr<const ImageFeatures> features);
  std::shared_ptr<const ImageFeatures> compute(const Image& image) const;

  const Segmenter& model_;
  const BundleOptions& options_;
  FeatureCacheOptions how_;
  std::unique_ptr<FeatureFolder> folder_;
  std::uint64_t bytes_ = 0, clock_ = 0;
  FeatureCounts counts_;  ///< but for what the folder counts
  std::map<std::string, Entry> entries_;
  mutable std::mutex mutex_;  ///< not held while a picture is encoded or read
};

}  // namespace medseg
