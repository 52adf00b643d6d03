#include "medseg/config/load.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

nlohmann::json load_with_parents(const fs::path& path, std::vector<fs::path>& chain) {
  const fs::path canonical = fs::weakly_canonical(path);
  if (std::find(chain.begin(), chain.end(), canonical) != chain.end()) {
    throw ConfigError(path.string(), str_cat("extends: a cycle through ", chain.back().string()));
  }
  chain.push_back(canonical);
  const auto text = raised_as<ConfigError>([&] { return read_file(path); });
  auto json = parse_json(text, path.string());
  if (!json.is_object()) throw ConfigError(path.string(), "expected an object");
  const auto parent = json.find("extends");
  if (parent == json.end()) return json;
  if (!parent->is_string()) throw ConfigError(path.string(), "extends: expected a file name");
  auto merged = load_with_parents(path.parent_path() / parent->get<std::string>(), chain);
  json.erase("extends");
  merged.merge_patch(json);
  return merged;
}

void apply_override(nlohmann::json& json, const std::string& text) {
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw ConfigError("--set " + text, "expected a.b=value");
  }
  const std::string value = text.substr(equals + 1);
  auto parsed = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) parsed = value;  // a bare word is a string
  nlohmann::json* here = &json;
  for (const auto& key : split(text.substr(0, equals), '.')) {
    if (!here->is_object() && !here->is_null()) {
      throw ConfigError("--set " + text, key + " is not inside an object");
    }
    here = &(*here)[key];
  }
  *here = std::move(parsed);
}

}  // namespace

nlohmann::json parse_json(const std::string& text, const std::string& where) {
  try {
    return nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/true,
                                 /*ignore_comments=*/true);
  } catch (const nlohmann::json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    const auto line = 1 + std::count(text.begin(), end, '\n');
    throw ConfigError(str_cat(where, ":", line), str_cat("not JSON near byte ", error.byte));
  } catch (const nlohmann::json::out_of_range&) {
    throw ConfigError(where, "a number is beyond what a double holds");
  }
}

nlohmann::json load_config(const fs::path& path, const std::vector<std::string>& overrides) {
  std::vector<fs::path> chain;
  auto json = load_with_parents(path, chain);
  for (const auto& text : overrides) apply_override(json, text);
  return json;
}

}  // namespace medseg
