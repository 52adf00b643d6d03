#include "medseg/curation/prompt_stage.h"

#include <algorithm>

#include "medseg/base/base64.h"
#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/curation/schema.h"

namespace medseg {
namespace {

const std::vector<std::string>& placeholders() {
  static const std::vector<std::string> known = {"facts", "previous", "absent", "modality"};
  return known;
}

/// Every "{{name}}" of the text.
std::vector<std::string> names_in(const std::string& text) {
  std::vector<std::string> names;
  for (auto at = text.find("{{"); at != std::string::npos; at = text.find("{{", at + 2)) {
    const auto end = text.find("}}", at);
    if (end == std::string::npos) break;
    names.push_back(text.substr(at + 2, end - at - 2));
  }
  return names;
}

/// Values are not searched for placeholders: a model's words fill in nothing.
std::string filled(const std::string& text, const std::map<std::string, std::string>& values) {
  std::string out;
  std::size_t from = 0;
  for (auto at = text.find("{{"); at != std::string::npos; at = text.find("{{", from)) {
    const auto end = text.find("}}", at);
    if (end == std::string::npos) break;
    const auto value = values.find(text.substr(at + 2, end - at - 2));
    MEDSEG_CHECK(value != values.end(), "no value for a placeholder of a prompt");
    out += text.substr(from, at - from) + value->second;
    from = end + 2;
  }
  return out + text.substr(from);
}

}  // namespace

const std::vector<std::string>& annotation_stages() {
  static const std::vector<std::string> names = {"describe", "filter",   "questions",
                                                 "answers",  "dialogue", "check"};
  return names;
}

nlohmann::ordered_json PromptStage::messages(const std::map<std::string, std::string>& values,
                                             const std::string& png) const {
  const std::string text = filled(join(user, "\n"), values);
  nlohmann::ordered_json content = text;
  if (sees_picture && !png.empty()) {
    content = {
        {{"type", "image_url"}, {"image_url", {{"url", "data:image/png;base64," + base64(png)}}}},
        {{"type", "text"}, {"text", text}}};
  }
  return {{{"role", "system"}, {"content", filled(join(system, "\n"), values)}},
          {{"role", "user"}, {"content", std::move(content)}}};
}

PromptStage read_prompt_stage(const std::filesystem::path& file) {
  auto json = load_config(file);
  return with_place(file.string(), [&] {
    PromptStage stage;
    if (!json.is_object() || !json.contains("schema")) throw ConfigError("schema", "missing");
    stage.schema = json["schema"];
    json.erase("schema");
    check_schema(stage.schema, "schema");
    read_options(json, stage);
    if (stage.stage != file.stem().string())
      throw ConfigError("stage", "\"" + stage.stage + "\" in a file of another name");
    if (stage.user.empty()) throw ConfigError("user", "missing or empty");
    for (const auto* lines : {&stage.system, &stage.user}) {
      for (const auto& name : names_in(join(*lines, "\n"))) {
        const auto& known = placeholders();
        if (std::find(known.begin(), known.end(), name) == known.end())
          throw ConfigError("user", "unknown {{" + name + "}}" + did_you_mean(name, known));
      }
    }
    stage.digest = sha256_of_file(file);
    return stage;
  });
}

}  // namespace medseg
