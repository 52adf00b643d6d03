#include "peft_config.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "name_pattern.h"

namespace medseg {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kLargestRank = 65536;

Json read_object(const std::filesystem::path& file) {
  const auto text = raised_as<CheckpointError>([&] { return read_file(file); });
  auto json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw CheckpointError(file.string(), "not a JSON object");
  return json;
}

class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw CheckpointError(str_cat(where_, ": ", key), what);
  }
  bool is_set(const char* key) const {  // present, and not null, false or empty
    const auto it = json_.find(key);
    if (it == json_.end() || it->is_null()) return false;
    return !(it->is_boolean() && !it->get<bool>()) && !(it->is_structured() && it->empty());
  }
  std::string shown(const char* key) const {
    return json_.at(key).dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
  }
  double number(const char* key) const {
    const auto it = json_.find(key);
    if (it == json_.end()) fail(key, "missing");
    if (!it->is_number()) fail(key, "expected a number, got " + shown(key));
    return it->get<double>();
  }
  std::string text(const char* key, const std::string& otherwise) const {
    const auto it = json_.find(key);
    if (it == json_.end() || it->is_null()) return otherwise;
    if (!it->is_string()) fail(key, "expected a text, got " + shown(key));
    return it->get<std::string>();
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> values;
    const auto it = json_.find(key);
    if (it == json_.end() || it->is_null()) return values;
    if (!it->is_array()) fail(key, "expected a list, got " + shown(key));
    for (const auto& value : *it) {
      if (!value.is_string()) fail(key, "expected a list of names, got " + shown(key));
      values.push_back(value.get<std::string>());
    }
    return values;
  }
  std::vector<std::pair<std::string, double>> pattern(const char* key) const {
    std::vector<std::pair<std::string, double>> values;
    const auto it = json_.find(key);
    if (it == json_.end() || it->is_null()) return values;
    if (!it->is_object()) fail(key, "expected an object, got " + shown(key));
    for (const auto& [name, value] : it->items()) {
      if (!value.is_number() || !(value.get<double>() > 0))
        fail(key, "\"" + name + "\": expected a positive number");
      values.emplace_back(name, value.get<double>());
    }
    return values;
  }

 private:
  const Json& json_;
  std::string where_;
};

// Settings that would silently give other numbers if the adapter were read as plain LoRA.
void refuse_other_kinds(const Fields& fields) {
  const auto type = fields.text("peft_type", "");
  if (type != "LORA") fields.fail("peft_type", "\"" + type + "\"; known is LORA");
  for (const auto& [key, what] : {std::pair{"use_dora", "DoRA"},
                                  {"fan_in_fan_out", "transposed weights"},
                                  {"lora_bias", "biases in the adapter"},
                                  {"use_qalora", "QA-LoRA"},
                                  {"layer_replication", "replicated layers"},
                                  {"target_parameters", "adapters of bare parameters"},
                                  {"trainable_token_indices", "single trained token rows"},
                                  {"alora_invocation_tokens", "activated LoRA"}}) {
    if (fields.is_set(key)) fields.fail(key, std::string(what) + " is not supported");
  }
  const auto bias = fields.text("bias", "none");
  if (bias != "none") fields.fail("bias", "\"" + bias + "\": trained biases are not supported");
}

}  // namespace

bool PeftConfig::is_target(const std::string& module) const {
  if (!target_pattern.empty()) {
    return target_pattern == "all-linear" ||
           matches_whole(target_pattern, module, where + ": target_modules");
  }
  return std::any_of(targets.begin(), targets.end(), [&](const std::string& target) {
    return module == target || module.ends_with("." + target);
  });
}

// PEFT adapts every module whose name ends in a target: "norm" includes each "input_layernorm".
bool PeftConfig::is_saved(const std::string& parameter) const {
  return std::any_of(saved_modules.begin(), saved_modules.end(), [&](const std::string& module) {
    return parameter.find(module + ".") != std::string::npos;
  });
}

std::int64_t PeftConfig::rank_of(const std::string& module) const {
  for (const auto& [pattern, value] : rank_pattern) {
    if (matches_whole("(.*\\.)?(" + pattern + ")", module, where + ": rank_pattern")) return value;
  }
  return rank;
}

double PeftConfig::scale_of(const std::string& module) const {
  double own = alpha;
  for (const auto& [pattern, value] : alpha_pattern) {
    if (!matches_whole("(.*\\.)?(" + pattern + ")", module, where + ": alpha_pattern")) continue;
    own = value;
    break;
  }
  const auto r = static_cast<double>(rank_of(module));
  return own / (rank_stabilised ? std::sqrt(r) : r);
}

PeftConfig read_peft_config(const std::filesystem::path& file) {
  const auto json = read_object(file);
  const Fields fields(json, file.string());
  refuse_other_kinds(fields);
  PeftConfig config;
  config.where = file.string();
  config.base = fields.text("base_model_name_or_path", "");
  const double rank = fields.number("r");
  if (!(rank >= 1 && rank <= kLargestRank) || rank != std::floor(rank))
    fields.fail("r", "expected a rank, got " + fields.shown("r"));
  config.rank = static_cast<std::int64_t>(rank);
  config.alpha = fields.number("lora_alpha");
  if (!(config.alpha > 0))
    fields.fail("lora_alpha", "must be positive, got " + fields.shown("lora_alpha"));
  if (fields.is_set("lora_dropout")) config.dropout = fields.number("lora_dropout");
  config.rank_stabilised = fields.is_set("use_rslora");
  const auto init = json.find("init_lora_weights");
  if (init != json.end() && init->is_string()) {
    const auto name = init->get<std::string>();
    for (const char* kind : {"pissa", "olora", "corda", "loftq", "lora_ga"}) {
      if (name.starts_with(kind))
        fields.fail(
            "init_lora_weights",
            "\"" + name + "\" changes the base model; save the adapter as plain LoRA first");
    }
  }
  const auto targets = json.find("target_modules");
  if (targets != json.end() && targets->is_string()) {
    config.target_pattern = targets->get<std::string>();
  } else {
    config.targets = fields.texts("target_modules");
  }
  config.some_layers_only =
      fields.is_set("exclude_modules") || fields.is_set("layers_to_transform");
  config.saved_modules = fields.texts("modules_to_save");
  for (const auto& [name, value] : fields.pattern("rank_pattern")) {
    if (value > kLargestRank || value != std::floor(value))
      fields.fail("rank_pattern", "\"" + name + "\": expected a rank");
    config.rank_pattern.emplace_back(name, static_cast<std::int64_t>(value));
  }
  config.alpha_pattern = fields.pattern("alpha_pattern");
  return config;
}

}  // namespace medseg
