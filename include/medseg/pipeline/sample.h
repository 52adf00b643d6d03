/// \file
/// One record of a manifest on its way to the model, in one direction:
///
///     Record -> read_sample -> augment -> find_features, compute_features -> make_batch
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/turns.h"
#include "medseg/pipeline/features.h"
#include "medseg/pipeline/record_error.h"
#include "medseg/text/conversation.h"

namespace medseg {

struct Sample {
  std::string id;
  RenderedDialogue dialogue;
  std::vector<std::string> targets;  ///< label of each `[SEG]`
  Image image;
  std::vector<Mask> masks;      ///< [K] in the image frame
  bool augmented = false;       ///< image or masks are no longer those of the record
  std::optional<ImageKey> key;  ///< of `image`, set by find_features; an augmented image has none
  std::shared_ptr<const ImageFeatures> features;  ///< of `image`; null until they are known
};

/// The record's dialogue as the model will see it. \throws DataError without the record's line, on
/// a `[SEG]` count that differs from the masks and on what the bundle has no token or no vision
/// tower for.
RenderedDialogue render_record(const Record& record, const OpenBundle& bundle);

/// Positions that the dialogue takes: an `<image>` placeholder is as long as the image's tokens.
std::int64_t sequence_length(const RenderedDialogue& dialogue, const Segmenter& model);

/// Image, masks and targets of a record whose dialogue is rendered already; no features.
/// \throws RecordError "manifest:line: …" on an image or a mask that cannot be used.
Sample read_sample(const Manifest& manifest, const Record& record, RenderedDialogue dialogue,
                   const OpenBundle& bundle);
/// Renders the dialogue too. \throws RecordError "manifest:line: …".
Sample read_sample(const Manifest& manifest, const Record& record, const OpenBundle& bundle);

/// The image alone. \throws RecordError "manifest:line: …", also where the vision tower refuses its
/// shape.
Image read_sample_image(const Manifest& manifest, const Record& record, const OpenBundle& bundle);

/// Hashes the image, once a visit, and takes the features that the cache has. Runs no encoder. An
/// augmented image is not looked up, since it will hardly come again.
void find_features(Sample& sample, FeatureCache& cache);
/// Computes the features that find_features did not find.
void compute_features(Sample& sample, FeatureCache& cache);

/// Puts samples side by side for Segmenter::forward. \pre all have features.
DialogueBatch make_batch(const std::vector<const Sample*>& samples);

}  // namespace medseg
