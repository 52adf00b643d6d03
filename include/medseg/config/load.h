/// \file
/// Config files: JSON with `//` comments, `"extends"`, and overrides from the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// Reads `path` after the file that it extends (relative to it) and merges the two: objects key by
/// key, all else replaced. Then applies `overrides`, each "a.b.c=value" with JSON or a bare string.
/// \throws ConfigError at "file:line" on bad JSON, and on a missing file, a cycle of `extends` or a
/// bad override.
nlohmann::json load_config(const std::filesystem::path& path,
                           const std::vector<std::string>& overrides = {});

/// Parses JSON with `//` comments. \throws ConfigError at "`where`:line".
nlohmann::json parse_json(const std::string& text, const std::string& where);

}  // namespace medseg
