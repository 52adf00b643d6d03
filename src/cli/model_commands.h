/// \file
/// The subcommands of `medseg model` that have their own file.
#pragma once

#include <CLI/CLI.hpp>

namespace medseg {

void add_model_import(CLI::App& model);
void add_model_export(CLI::App& model);
void add_model_licence(CLI::App& model);

}  // namespace medseg
