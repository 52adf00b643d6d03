/// \file
/// The subcommands of `data`, each in the file of its name.
#pragma once

#include <CLI/CLI.hpp>

namespace medseg {

void add_data_convert(CLI::App& data);
void add_data_export(CLI::App& data);  ///< in data_convert.cpp
void add_data_new(CLI::App& data);
void add_data_fingerprint(CLI::App& data);
void add_data_annotate(CLI::App& data);
void add_data_review(CLI::App& data);
void add_data_demo(CLI::App& data);
void add_data_doctor(CLI::App& data);
void add_data_stats(CLI::App& data);

}  // namespace medseg
