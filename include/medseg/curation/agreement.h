/// \file
/// How far readers agree: kappa of their verdicts, Dice of their masks.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

/// Cohen's kappa of two readers over the same cases; categories are counted from 0. Nothing where
/// there is no case, or where chance alone would make them agree always. Equal to scikit-learn's
/// cohen_kappa_score.
std::optional<double> cohen_kappa(const std::vector<int>& a, const std::vector<int>& b);

/// Fleiss' kappa: `ratings[case][category]` is how many readers chose it; every case has the same
/// number of readers, two or more. Nothing as above. Equal to statsmodels' fleiss_kappa.
std::optional<double> fleiss_kappa(const std::vector<std::vector<int>>& ratings);

/// 2 |A ∩ B| / (|A| + |B|); 1 where both are empty. \pre equal sizes.
double dice_of(const Mask& a, const Mask& b);

}  // namespace medseg
