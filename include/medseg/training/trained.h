/// \file
/// Which parameters train.
#pragma once

#include <string>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/optim/optimizer.h"
#include "medseg/training/options.h"

namespace medseg {

/// Adds adapters (from a PEFT folder, if one is named), splits token rows, and lets exactly the chosen parameters require a
/// gradient. Returns them in model order. Draws from torch's generator.
/// \throws ConfigError "train.…" on a pattern that names nothing or an encoder (those run once a picture, before training);
/// CheckpointError when a part that answers depend on was initialised and would stay untrained, or on an adapter that
/// is another model's or another rank's.
std::vector<TrainedParameter> choose_trained(OpenBundle& bundle, const TrainOptions& options);

/// What training these parameters leaves of BundleOptions::initialised: entries of other parameters, those that no loss
/// reaches, and of token rows "NAME[first:end]" the part in front of the first row that trains.
std::vector<std::string> still_initialised(const BundleOptions& options,
                                           const std::vector<TrainedParameter>& trained);

}  // namespace medseg
