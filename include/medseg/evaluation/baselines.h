/// \file
/// What a model has to beat: answers that need no training and know which target is asked for.
/// Scored with the same references and protocol as generated answers.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/manifest.h"
#include "medseg/metrics/scores.h"
#include "medseg/pipeline/features.h"
#include "medseg/pipeline/sample.h"

namespace medseg {

struct Baselines {
  /// Mean of the target's training masks (same modality, resized to the image) above 0.5; where
  /// nothing is, above the threshold that is best on those training masks.
  Scores mean_mask;
  /// The target's mask on the nearest training slice: of the same subject by slice index, else of
  /// any subject of the modality by relative position among the subject's slices.
  Scores nearest_slice;
  /// The bundle's grounding part, its decoder prompted with the tight box of the true mask instead
  /// of a `[SEG]`.
  std::optional<Scores> true_box;
};

/// `bundle` and `cache` may be null: then there is no `true_box`. \throws DataError.
Baselines score_baselines(const Manifest& manifest, const std::string& training_split,
                          const std::string& split, const OpenBundle* bundle, FeatureCache* cache,
                          at::ScalarType precision);

/// baselines.json: {"mean_mask": scores, "nearest_slice": scores, "true_box": scores}.
std::string baselines_json(const Baselines& baselines);

}  // namespace medseg
