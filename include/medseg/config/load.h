/// \file
/// Config files: JSON with `//` comments, `"extends"`, and overrides from the command line.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace medseg {

/// Reads `path`, first what it extends (relative to it), then merges: objects key by key, all else replaced.
/// Then applies `overrides`, each "a.b.c=value" (value is JSON, or a bare string when it is not).
/// \throws ConfigError "file:line: what" on a missing file, bad JSON, a cycle of `extends`, a bad override.
nlohmann::json load_config(const std::filesystem::path& path,
                           const std::vector<std::string>& overrides = {});

/// JSON with `//` comments from text; `where` names it in messages.
/// \throws ConfigError with the line of the fault.
nlohmann::json parse_json(const std::string& text, const std::string& where);

}  // namespace medseg
