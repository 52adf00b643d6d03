/// \file
/// The JSON headers of tensor files.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace medseg {

/// Null if `text` is not JSON.
/// \throws CheckpointError at `where` if a key occurs twice in one object, because JSON readers
/// disagree on which counts, or if the nesting is deeper than `deepest`.
nlohmann::json parse_header(std::string_view text, const std::string& where, int deepest);

}  // namespace medseg
