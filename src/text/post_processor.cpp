#include "post_processor.h"

#include "json_field.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;

void put(std::string& side, const std::string& token, const std::string& where) {
  if (!side.empty()) {
    throw CheckpointError(where, str_cat("puts \"", side, "\" and \"", token,
                                         "\" on one side of a text; at most one token is known"));
  }
  side = token;
}

// [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, …]
SpecialFrame template_frame(const json& processor, const std::string& where) {
  SpecialFrame frame;
  bool behind = false;
  for (const auto& part : required_field<std::vector<json>>(processor, "single", where)) {
    const auto special = optional_field<json>(part, "SpecialToken", where + ".single");
    if (special) {
      const auto token = required_field<std::string>(*special, "id", where + ".single");
      put(behind ? frame.back : frame.front, token, where + ".single");
    } else if (part.contains("Sequence") && !behind) {
      behind = true;
    } else {
      throw CheckpointError(where + ".single",
                            str_cat("expected special tokens round one text, got ",
                                    processor["single"].dump().substr(0, 60)));
    }
  }
  if (!behind) throw CheckpointError(where + ".single", "the text itself is missing");
  return frame;
}

// "cls": ["<s>", 0]
std::string token_of(const json& processor, const char* key, const std::string& where) {
  const auto pair = required_field<std::vector<json>>(processor, key, where);
  if (pair.size() != 2 || !pair[0].is_string()) {
    throw CheckpointError(str_cat(where, ".", key), "expected a token and its id");
  }
  return pair[0].get<std::string>();
}

}  // namespace

SpecialFrame special_frame(const json& processor, const std::string& where) {
  if (processor.is_null()) return {};
  const auto type = required_field<std::string>(processor, "type", where);
  if (type == "ByteLevel") return {};  // only changes offsets, which are not used here
  if (type == "TemplateProcessing") return template_frame(processor, where);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return {token_of(processor, "cls", where), token_of(processor, "sep", where)};
  }
  if (type != "Sequence") {
    unknown_type(
        where, type,
        {"Sequence", "ByteLevel", "TemplateProcessing", "BertProcessing", "RobertaProcessing"});
  }
  SpecialFrame frame;
  const auto steps = required_field<std::vector<json>>(processor, "processors", where);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto step_where = str_cat(where, ".processors[", i, "]");
    const auto step = special_frame(steps[i], step_where);
    if (!step.front.empty()) put(frame.front, step.front, step_where);
    if (!step.back.empty()) put(frame.back, step.back, step_where);
  }
  return frame;
}

}  // namespace medseg
