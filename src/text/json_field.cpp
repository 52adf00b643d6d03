#include "json_field.h"

#include "medseg/base/file.h"

namespace medseg {
namespace {

// Copying JSON recurses: a file of a million brackets must not overflow the stack.
constexpr int kDeepest = 100;

bool too_deep(const std::string& text) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > kDeepest) return true;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return false;
}

}  // namespace

nlohmann::json read_json_object(const std::filesystem::path& file) {
  const auto text = read_file(file);
  if (too_deep(text)) throw CheckpointError(file.string(), "is nested deeper than any tokenizer");
  auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw CheckpointError(file.string(), "is not whole JSON");
  if (!json.is_object()) throw CheckpointError(file.string(), "expected a JSON object");
  return json;
}

std::string string_or_empty(const nlohmann::json& object, const char* key) {
  if (!object.is_object()) return "";
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

}  // namespace medseg
