/// \file
/// Weights that trainers write beside an adapter.
#pragma once

#include "medseg/weights/peft.h"

namespace medseg {

/// Adds them to `replaced`. `adapter.files` names what has been read from its folder.
/// \throws CheckpointError at a file of weights that is not known to belong to an adapter, and at a
/// tensor that has no place in the model.
void read_weights_beside(Adapter& adapter, const NameOfOurs& our_name);

}  // namespace medseg
