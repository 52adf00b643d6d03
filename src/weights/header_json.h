/// \file
/// JSON that describes a file of tensors.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace medseg {

/// Null when `text` is not JSON. \throws CheckpointError "where: …" when a key stands twice in one object (JSON readers
/// keep one of the two: which, nobody says), or when more than `deepest` objects and lists stand inside each other.
nlohmann::json parse_header(std::string_view text, const std::string& where, int deepest);

}  // namespace medseg
