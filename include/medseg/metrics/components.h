/// \file
/// Instances by connected pieces, and how they are matched.
///
/// CVPR25 (CVPR-MedSegFMCompetition, CVPR25_text_eval.py: eval_tp_fp_fn): pieces that share a face
/// (6 neighbours, 4 in an image); the one-to-one assignment with the most pairs of IoU >= 0.5 and,
/// among those, the largest total IoU.
///
///     F1 = 2 TP / (2 TP + FP + FN), 0 without any hit
///     DSC_TP = mean Dice of the hits, 0 without any
#pragma once

#include <vector>

#include "medseg/metrics/packed_mask.h"

namespace medseg {

/// Which cells touch: those that share a face, or also an edge or a corner.
enum class Connectivity { kFaces, kCorners };

/// The connected pieces in the order of their first cells. An image has depth 1.
std::vector<PackedMask> connected_pieces(const PackedMask& mask, Connectivity connectivity);

struct InstanceScores {
  std::int64_t hits = 0, spurious = 0, missed = 0;
  double f1 = 0, dice_of_hits = 0;
};

/// One mask an instance on both sides.
InstanceScores cvpr25_instances(const std::vector<PackedMask>& predicted,
                                const std::vector<PackedMask>& reference, double threshold = 0.5);

}  // namespace medseg
