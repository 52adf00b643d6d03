/// \file
/// The subcommands of `data`, each in the file of its name.
#pragma once

#include "command.h"

namespace medseg {

void add_data_convert(Command& data);
void add_data_export(Command& data);  ///< in data_convert.cpp
void add_data_new(Command& data);
void add_data_fingerprint(Command& data);
void add_data_annotate(Command& data);
void add_data_review(Command& data);
void add_data_demo(Command& data);
void add_data_doctor(Command& data);
void add_data_stats(Command& data);

}  // namespace medseg
