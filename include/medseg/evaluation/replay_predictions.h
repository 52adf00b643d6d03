/// \file
/// Saved predictions, or a folder of any model's masks, beside the references of a manifest: what
/// scoring protocols read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/evaluation/predictions.h"
#include "medseg/metrics/replay.h"

namespace medseg {

/// The pixels that count neither way in a turn: the record's masks of kind "ignore", and what the
/// masks of its answer call "ignore" by value. Nothing where no mask says so. \throws DataError.
std::optional<Mask> ignored_pixels(const Manifest& manifest, const Record& record,
                                   const RecordTurn& turn, int width, int height);

/// The turns of a split. Ignored pixels are cleared from references and predictions. Spacing is the
/// record's, else the volume's; that between slices is the volume's. Probability maps are read
/// beside `folder`, where a prediction names them. Label files with a 255 beside smaller labels and
/// without "ignore" are warned about once.
/// \throws DataError as score_predictions, or on a map that cannot be read.
std::vector<ReplayTurn> replay_predictions(const std::vector<Prediction>& predictions,
                                           const Manifest& manifest, const std::string& split,
                                           bool partial, const std::filesystem::path& folder);

/// Predictions out of mask files that carry a record's id and, where it has several labels, the
/// label: ID.png, ID-LABEL.png or ID/LABEL.png, or the same with .nii.gz or .nii. A "/" of an id or
/// label is "_" in a file's name. For a slice of a volume a NIfTI file is a volume on its grid,
/// whose name may also begin with the volume's ("ct-1-liver.nii.gz" for slices of "ct-1.nii.gz");
/// for a picture it has one slice, columns along the first axis. A structure without a file is
/// missed; an empty mask of an absent structure counts as none.
/// \throws DataError on a folder without any such file, or a mask of another grid or size.
std::vector<Prediction> predictions_of_masks(const std::filesystem::path& folder,
                                             const Manifest& manifest, const std::string& split);

}  // namespace medseg
