/// \file
/// Distances between the surfaces of two masks, in the two definitions of the field.
///
/// **MONAI** (monai/metrics/utils.py, hausdorff_distance.py, surface_dice.py, surface_distance.py):
/// the surface is the mask less its erosion by the cross of 4 or 6 neighbours; distances run from
/// centre to centre and count alike.
///
///     HD   = max(max A, max B)                       A: predicted edge -> reference edge
///     HD95 = max(q95(A), q95(B))                     B: reference edge -> predicted edge
///     ASD  = mean(A), ASSD = mean(A and B together)  q: linear between ranks
///     NSD  = (#A <= t + #B <= t) / (#A + #B)
///
/// **DeepMind** (surface-distance/surface_distance/metrics.py): surface elements at the corners
/// between voxels, each with the length or area of the surface there.
///
///     HD95 = larger of the distances that 95 % of each surface do not exceed
///     NSD  = surface within t / whole surface, both sides together
#pragma once

#include <vector>

#include "medseg/metrics/distance_field.h"
#include "medseg/metrics/packed_mask.h"

namespace medseg {

struct SurfaceElement {
  double distance = 0;  ///< to the other surface, mm; infinite where there is none
  double size = 1;      ///< length or area; 1 for MONAI's edges
};

/// Ascending by distance.
struct SurfaceDistances {
  std::vector<SurfaceElement> from_predicted, from_reference;
};

/// A mask of an image or of a volume: a volume of one plane is still a volume.
enum class Dimensions { kImage, kVolume };

/// \pre equal sizes; depth 1 for an image.
SurfaceDistances monai_surfaces(const PackedMask& predicted, const PackedMask& reference,
                                const GridSpacing& spacing, Dimensions dimensions);
SurfaceDistances deepmind_surfaces(const PackedMask& predicted, const PackedMask& reference,
                                   const GridSpacing& spacing, Dimensions dimensions);

/// Nothing on one side: `hd`, `asd`, `assd` and `hd95_deepmind` are infinite, both `nsd` 0 and
/// `hd95_monai` NaN as in the original (MONAI issue 9095). Nothing on both: all NaN.
struct SurfaceScores {
  double hd = 0, hd95_monai = 0, asd = 0, assd = 0, nsd_monai = 0;
  double hd95_deepmind = 0, nsd_deepmind = 0;
};

SurfaceScores surface_scores(const PackedMask& predicted, const PackedMask& reference,
                             const GridSpacing& spacing, Dimensions dimensions,
                             double tolerance_mm);

/// The same where a miss is the worst case: nothing on one side is a distance of the grid's
/// diagonal, sqrt(sum of (size * spacing)^2), and an NSD of 0. \pre one side holds something.
SurfaceScores worst_case_scores(const SurfaceScores& scores, const GridSize& size,
                                const GridSpacing& spacing, Dimensions dimensions);

}  // namespace medseg
