/// \file
/// The command line of the program.
#pragma once

namespace medseg {

/// Parses and runs one command. Returns the exit code: 0 success, 1 a bug, 2 usage or config, 3
/// data, 4 checkpoint, 5 the run stopped itself, 130 or 143 stopped by a signal. Errors are one
/// line on stderr.
int run_cli(int argc, char** argv);

}  // namespace medseg
