/// \file
/// What can be said of a record without any of its files.
#pragma once

#include "findings.h"
#include "medseg/dataset/manifest.h"

namespace medseg {

void examine_text(const Record& record, RecordFindings& findings);

/// Does a turn ask for this mask?
bool is_asked(const Record& record, const std::string& id);

}  // namespace medseg
