/// \file
/// Lines for a person, on stderr. Results go to stdout and never through here.
#pragma once

#include <filesystem>
#include <string_view>

namespace medseg {

void log_info(std::string_view message);
void log_warning(std::string_view message);

/// Every later line also goes, with its time, to this file (a run folder's log.txt).
void log_to_file(const std::filesystem::path& path);

/// Nothing below a warning is shown on stderr.
void set_quiet(bool quiet);

}  // namespace medseg
