/// \file
/// Training options of a model with all its layers, carried over to one with few.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/training/options.h"

namespace medseg {

/// `options` for a model of `layers` language layers in which each layer trains what it trains in
/// that layer of the full model that has the most trained parameters. `trained`: names of the
/// parameters that train in the full model, `adapted`: of its layers with adapters.
TrainOptions options_of_few_layers(TrainOptions options, const std::vector<std::string>& trained,
                                   const std::vector<std::string>& adapted, std::int64_t layers);

}  // namespace medseg
