/// \file
/// Does JSON from a model have the form that was asked for? The part of JSON Schema that the prompt
/// files use: type, properties, required, additionalProperties (false), items, minItems, maxItems,
/// minLength, maxLength, enum.
#pragma once

#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace medseg {

/// The first fault with its path, "turns[1].question: missing"; "" if there is none.
std::string schema_fault(const nlohmann::json& value, const nlohmann::json& schema);

/// \throws ConfigError at the dotted path of a keyword that is not known or malformed: a schema
/// that checks less than it says would let anything pass.
void check_schema(const nlohmann::json& schema, const std::string& path);

/// The JSON object in a model's text: the whole text, or what stands in a ``` block, or from the
/// first brace to its partner. Nothing where no such piece parses.
std::optional<nlohmann::json> json_in_text(const std::string& text);

}  // namespace medseg
