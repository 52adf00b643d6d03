/// \file
/// One function per command, each in the file of its name.
#pragma once

#include "command.h"

namespace medseg {
void add_data(Command& app);
void add_model(Command& app);
void add_model_audit(Command& model);  ///< `model audit`, a subcommand of `model`
void add_model_trace(Command& model);
void add_tokenize(Command& app);
void add_config(Command& app);
void add_plan(Command& app);
void add_train(Command& app);
void add_launch(Command& app);
void add_evaluate(Command& app);
void add_score(Command& app);
void add_compare(Command& app);
void add_table(Command& app);
void add_report(Command& app);
void add_predict(Command& app);
void add_chat(Command& app);
void add_serve(Command& app);
void add_bench(Command& app);

}  // namespace medseg
