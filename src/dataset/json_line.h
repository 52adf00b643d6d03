/// \file
/// One line of a manifest as JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace medseg {

/// \throws ManifestError on a line that is not JSON, naming the usual slips, and on a key that
/// comes twice in one object.
nlohmann::json parse_json_line(const std::string& line);

}  // namespace medseg
