/// \file
/// The flags of all commands that open a model to answer.
#pragma once

#include "command.h"
#include "medseg/generation/open_model.h"

namespace medseg {

/// --model, --precision, --device, --threads, --max-new-tokens.
void add_model_options(Command& command, ModelOptions& options, bool model_required = true);

}  // namespace medseg
