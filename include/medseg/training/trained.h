/// \file
/// The parameters that train.
#pragma once

#include <string>
#include <vector>

#include "medseg/bundle/open_bundle.h"
#include "medseg/optim/optimizer.h"
#include "medseg/training/options.h"

namespace medseg {

/// Adds adapters (add_adapters), splits off the token rows that train, and makes exactly the chosen
/// parameters require a gradient. Returns them in model order. Draws from torch's generator.
/// \throws ConfigError "train.…" if a pattern names no parameter, or one of an encoder: encoders
/// run once for each image, before training. CheckpointError if a part that answers depend on was
/// initialised at random and would stay untrained.
std::vector<TrainedParameter> choose_trained(OpenBundle& bundle, const TrainOptions& options);

/// BundleOptions::initialised without the parameters that have been trained. Parameters that no
/// loss reaches stay in it. Of token rows "NAME[first:end]" those before the first row that trains
/// stay.
std::vector<std::string> still_initialised(const BundleOptions& options,
                                           const std::vector<TrainedParameter>& trained);

}  // namespace medseg
