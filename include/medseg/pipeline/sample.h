/// \file
/// One record of a manifest, ready for the model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/dataset/manifest.h"
#include "medseg/models/bundle.h"
#include "medseg/pipeline/features.h"
#include "medseg/text/conversation.h"
#include "medseg/text/tokenizer.h"

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

/// A bundle opened for use: model, tokenizer, options.
struct OpenBundle {
  std::filesystem::path path;
  BundleOptions options;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Segmenter> model;

  ConversationOptions conversation() const;
  /// A dialogue's first question: the picture goes in front, unless the question says itself where it goes or the model has
  /// no eyes.
  std::string first_question(const std::string& question) const;
};
/// Loads all, behind the guard of open_bundle_tokenizer. \throws CheckpointError.
OpenBundle open_bundle(const std::filesystem::path& path);
/// The same with an outline of the model (outline_segmenter), which takes no memory. \throws CheckpointError.
OpenBundle outline_bundle(const std::filesystem::path& path);
/// The guard itself, asked of a bundle that is opened and of one that is about to be written; `where` begins its message.
/// \throws CheckpointError.
void check_tokenizer(const std::filesystem::path& where, const BundleOptions& options,
                     const Tokenizer& tokenizer);

/// The tokenizer of a bundle, checked: it is the one that the model was trained with (its hash), every token of
/// `special_tokens` ([SEG], <p>, </p> …) is one id, the bundle's, that no other text becomes and that reads back as the
/// token; and the conversation template has the tokens it needs. \throws CheckpointError.
std::unique_ptr<Tokenizer> open_bundle_tokenizer(const std::filesystem::path& path,
                                                 const BundleOptions& options);

/// The label of each `[SEG]` of a turn; a union of several labels is "a + b".
std::vector<std::string> targets_of(const Record& record, const RecordTurn& turn);
/// The turns that have an answer; `Prediction::turn` counts these.
std::vector<const RecordTurn*> answered_turns(const Record& record);

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
