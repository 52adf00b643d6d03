/// \file
/// One function per command, each in the file of its name.
#pragma once

#include <CLI/CLI.hpp>

namespace medseg {
void add_data(CLI::App& app);
void add_model(CLI::App& app);
void add_model_audit(CLI::App& model);  ///< `model audit`, a subcommand of `model`
void add_model_trace(CLI::App& model);
void add_tokenize(CLI::App& app);
void add_config(CLI::App& app);
void add_plan(CLI::App& app);
void add_train(CLI::App& app);
void add_launch(CLI::App& app);
void add_evaluate(CLI::App& app);
void add_score(CLI::App& app);
void add_compare(CLI::App& app);
void add_table(CLI::App& app);
void add_report(CLI::App& app);
void add_predict(CLI::App& app);
void add_chat(CLI::App& app);
void add_serve(CLI::App& app);
void add_bench(CLI::App& app);

}  // namespace medseg
