/// \file
/// Saved predictions, or a folder of any model's masks, beside the references of a manifest: what
/// scoring protocols read.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/evaluation/predictions.h"
#include "medseg/metrics/replay.h"

namespace medseg {

/// The turns of a split. Masks of kind "ignore" of a record are cleared from its references and
/// predictions. Probability maps are read beside `folder`, where a prediction names them.
/// \throws DataError as score_predictions, or on a map that cannot be read.
std::vector<ReplayTurn> replay_predictions(const std::vector<Prediction>& predictions,
                                           const Manifest& manifest, const std::string& split,
                                           bool partial, const std::filesystem::path& folder);

/// Predictions out of mask files that carry a record's id and, where it has several labels, the
/// label: ID.png, ID-LABEL.png or ID/LABEL.png, or the same with .nii.gz or .nii. A "/" of an id or
/// label is "_" in a file's name. A structure without a file is missed; an empty mask of an absent
/// structure counts as none. \throws DataError on a folder without any such file.
std::vector<Prediction> predictions_of_masks(const std::filesystem::path& folder,
                                             const Manifest& manifest, const std::string& split);

}  // namespace medseg
