/// \file
/// One function a command; each lives in the file of its name.
#pragma once

#include <CLI/CLI.hpp>

namespace medseg {

}  // namespace medseg
