/// \file
/// The version of the program.
#pragma once

#include <string_view>

namespace medseg {

/// "1.2.3", as in `project()` of CMakeLists.txt, the only place where it is written.
std::string_view version();

}  // namespace medseg
