/// \file
/// One record of a manifest, ready for the model.
#pragma once

#include <cstdint>
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
};

/// A bundle opened for use: model, tokenizer, options.
struct OpenBundle {
  std::filesystem::path path;
  BundleOptions options;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<Segmenter> model;

  ConversationOptions conversation() const;
};
/// Loads all and checks the start-up guard of tokens ([SEG], <p>, </p> are one id each, round-trip, equal the bundle's).
/// \throws CheckpointError.
OpenBundle open_bundle(const std::filesystem::path& path);

/// The label of each `[SEG]` of a turn; a union of several labels is "a + b".
std::vector<std::string> targets_of(const Record& record, const RecordTurn& turn);
/// The turns that have an answer; `Prediction::turn` counts these.
std::vector<const RecordTurn*> answered_turns(const Record& record);

/// Renders and loads a record. \throws DataError "manifest:line: …" on a `[SEG]` count that differs from the masks or
/// when it is longer than `max_tokens` (image tokens included).
Sample load_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle,
                   FeatureCache& cache, std::int64_t max_tokens);

/// Puts samples side by side for Segmenter::forward.
DialogueBatch make_batch(const std::vector<const Sample*>& samples);

}  // namespace medseg
