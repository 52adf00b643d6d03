/// \file
/// Regular expressions for tensor names, as in PEFT's configs.
#pragma once

#include <string>

namespace medseg {

/// Python's re.fullmatch. \throws CheckpointError at `where` if a pattern does not compile or takes
/// more steps than any reasonable one.
bool matches_whole(const std::string& pattern, const std::string& name, const std::string& where);

}  // namespace medseg
