/// \file
/// Messages for a person, on stderr. Results go to stdout and never through here.
#pragma once

#include <filesystem>
#include <string_view>

namespace medseg {

void log_info(std::string_view message);
void log_warning(std::string_view message);

/// Every later line is also written to this file with its time (a run folder's log.txt).
void log_to_file(const std::filesystem::path& path);

/// Shows nothing below a warning on stderr.
void set_quiet(bool quiet);

}  // namespace medseg
