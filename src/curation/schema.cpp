#include "medseg/curation/schema.h"

#include <algorithm>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;

std::string at(const std::string& path) { return path.empty() ? "" : path + ": "; }

std::string below(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

bool has_type(const json& value, const std::string& type) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_boolean();
  if (type == "integer") return value.is_number_integer();
  return type == "number" ? value.is_number() : value.is_null();
}

std::string fault_at(const json& value, const json& schema, const std::string& path);

std::string object_fault(const json& value, const json& schema, const std::string& path) {
  for (const auto& key : schema.value("required", json::array())) {
    if (!value.contains(key.get<std::string>()))
      return below(path, key.get<std::string>()) + ": missing";
  }
  const auto properties = schema.value("properties", json::object());
  for (const auto& [key, item] : value.items()) {
    if (const auto known = properties.find(key); known != properties.end()) {
      if (auto fault = fault_at(item, *known, below(path, key)); !fault.empty()) return fault;
    } else if (!schema.value("additionalProperties", true)) {
      return below(path, key) + ": unknown key";
    }
  }
  return "";
}

std::string array_fault(const json& value, const json& schema, const std::string& path) {
  if (value.size() < schema.value("minItems", std::size_t{0}) ||
      value.size() > schema.value("maxItems", std::size_t{100000})) {
    return str_cat(at(path), value.size(), " items, expected ",
                   schema.value("minItems", std::size_t{0}), " to ",
                   schema.contains("maxItems") ? schema["maxItems"].dump() : "any");
  }
  if (!schema.contains("items")) return "";
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (auto fault = fault_at(value[i], schema["items"], str_cat(path, "[", i, "]"));
        !fault.empty())
      return fault;
  }
  return "";
}

std::string fault_at(const json& value, const json& schema, const std::string& path) {
  if (schema.contains("type") && !has_type(value, schema["type"].get<std::string>()))
    return str_cat(at(path), "expected ", schema["type"].get<std::string>(), ", got ",
                   value.type_name());
  if (schema.contains("enum")) {
    const auto& known = schema["enum"];
    if (std::find(known.begin(), known.end(), value) == known.end())
      return str_cat(at(path), value.dump(), " is none of ", known.dump());
  }
  if (value.is_object()) return object_fault(value, schema, path);
  if (value.is_array()) return array_fault(value, schema, path);
  if (value.is_string()) {
    const auto length = value.get_ref<const std::string&>().size();
    if (length < schema.value("minLength", std::size_t{0}))
      return at(path) + (length == 0 ? "empty" : "too short");
    if (length > schema.value("maxLength", std::size_t{1} << 20)) return at(path) + "too long";
  }
  return "";
}

std::optional<json> parsed(std::string_view text) {
  auto value = json::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded() || !value.is_object()) return std::nullopt;
  return value;
}

/// One past the partner of the brace at `open`; npos if it has none.
std::size_t partner_of(const std::string& text, std::size_t open) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = open; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      quoted = c != '"';
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}' && --depth == 0) {
      return i + 1;
    }
  }
  return std::string::npos;
}

}  // namespace

std::string schema_fault(const json& value, const json& schema) {
  return fault_at(value, schema, "");
}

void check_schema(const json& schema, const std::string& path) {
  static const std::set<std::string> types = {"object",  "array",  "string", "boolean",
                                              "integer", "number", "null"};
  static const std::set<std::string> sizes = {"minItems", "maxItems", "minLength", "maxLength"};
  if (!schema.is_object()) throw ConfigError(path, "expected a schema, an object");
  for (const auto& [key, value] : schema.items()) {
    const std::string here = path + "." + key;
    if (key == "type") {
      if (!value.is_string() || !types.contains(value.get<std::string>()))
        throw ConfigError(here, "unknown type " + value.dump());
    } else if (key == "properties") {
      if (!value.is_object()) throw ConfigError(here, "expected an object");
      for (const auto& [name, inner] : value.items()) check_schema(inner, here + "." + name);
    } else if (key == "items") {
      check_schema(value, here);
    } else if (key == "required" || key == "enum") {
      if (!value.is_array()) throw ConfigError(here, "expected a list");
    } else if (key == "additionalProperties") {
      if (!value.is_boolean()) throw ConfigError(here, "expected true or false");
    } else if (sizes.contains(key)) {
      if (!value.is_number_unsigned()) throw ConfigError(here, "expected a number from 0");
    } else if (key != "description") {
      throw ConfigError(here, "this keyword of JSON Schema is not known here");
    }
  }
}

std::optional<json> json_in_text(const std::string& text) {
  if (auto whole = parsed(text)) return whole;
  for (auto open = text.find('{'); open != std::string::npos; open = text.find('{', open + 1)) {
    const auto end = partner_of(text, open);
    if (end == std::string::npos) return std::nullopt;
    if (auto piece = parsed(std::string_view(text).substr(open, end - open))) return piece;
  }
  return std::nullopt;
}

}  // namespace medseg
