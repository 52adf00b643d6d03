/// \file
/// One record of a manifest, ready for the model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/turns.h"
#include "medseg/pipeline/features.h"
#include "medseg/text/conversation.h"

namespace medseg {

struct Sample {
  std::string id;
  RenderedDialogue dialogue;
  std::vector<std::string> targets;  ///< label of each `[SEG]`
  std::shared_ptr<const ImageFeatures> features;
  std::vector<Mask> masks;  ///< [K] in the image frame
  /// Of the picture behind `features`: augmentation says so here before they are asked for.
  PictureKind picture = PictureKind::kOriginal;
};

/// Renders and loads a record. \throws DataError "manifest:line: …" on a `[SEG]` count that differs from the masks, on
/// what the bundle has no token or no eyes for, or when it is longer than `max_tokens` (image tokens included).
Sample load_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle,
                   FeatureCache& cache, std::int64_t max_tokens);
/// The same with another way to a picture's features than the cache.
using FeaturesOf = std::function<std::shared_ptr<const ImageFeatures>(const Image&)>;
Sample load_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle,
                   const FeaturesOf& features_of, std::int64_t max_tokens);

/// Puts samples side by side for Segmenter::forward.
DialogueBatch make_batch(const std::vector<const Sample*>& samples);

}  // namespace medseg
