/// \file
/// The subcommands of `medseg model` that have their own file.
#pragma once

#include "command.h"

namespace medseg {

void add_model_import(Command& model);
void add_model_export(Command& model);
void add_model_licence(Command& model);

}  // namespace medseg
