/// \file
/// Regular expressions over tensor names, as PEFT's configs have them.
#pragma once

#include <string>

namespace medseg {

/// Python's re.fullmatch. \throws CheckpointError "where: …" on a pattern that does not compile or that takes more steps
/// than any honest one.
bool matches_whole(const std::string& pattern, const std::string& name, const std::string& where);

}  // namespace medseg
