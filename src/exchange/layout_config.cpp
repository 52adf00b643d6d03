#include "layout_config.h"

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

using Json = nlohmann::json;

// transformers leaves out of config.json what equals its defaults, so llava-hf's text_config may hold next to nothing.
Json language_defaults(const std::string& family) {
  Json defaults = {{"hidden_size", 4096},         {"intermediate_size", 11008},
                   {"num_hidden_layers", 32},     {"num_attention_heads", 32},
                   {"rms_norm_eps", 1e-6},        {"max_position_embeddings", 2048},
                   {"tie_word_embeddings", false}};
  if (family == "mistral") {
    defaults["intermediate_size"] = 14336;
    defaults["num_key_value_heads"] = 8;
    defaults["max_position_embeddings"] = 131072;
  }
  return defaults;
}

class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw CheckpointError(where_ + ": " + key + ": " + what);
  }
  const Json* find(const char* key) const {
    const auto it = json_.find(key);
    return it == json_.end() || it->is_null() ? nullptr : &*it;
  }
  std::string text(const char* key, const std::string& otherwise) const {
    const auto* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_string()) fail(key, "expected a text, got " + shown(*value));
    return value->get<std::string>();
  }
  std::int64_t integer(const char* key, std::int64_t otherwise) const {
    const auto* value = find(key);
    if (value == nullptr) return otherwise;
    if (!value->is_number_integer()) fail(key, "expected an integer, got " + shown(*value));
    return value->get<std::int64_t>();
  }
  bool flag(const char* key) const {
    const auto* value = find(key);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(key, "expected true or false, got " + shown(*value));
    return value->get<bool>();
  }
  static std::string shown(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 80);
  }

 private:
  const Json& json_;
  std::string where_;
};

Json read_object(const std::filesystem::path& path) {
  Json json;
  try {
    json = parse_json(read_file(path), path.string());
  } catch (const Error& error) {
    throw CheckpointError(error.what());
  }
  if (!json.is_object()) throw CheckpointError(path.string() + ": not a JSON object");
  return json;
}

// LlavaLlamaForCausalLM, LISAForCausalLM, GLaMMForCausalLM, LlavaMistralForCausalLM …
std::string first_architecture(const Json& json) {
  const auto found = json.find("architectures");
  if (found == json.end() || !found->is_array() || found->empty() || !found->front().is_string())
    return "";
  return found->front().get<std::string>();
}

void refuse_other_layouts(const Fields& fields, const Json& json, const std::string& command) {
  const auto architecture = first_architecture(json);
  const auto is = [&](const char* part) { return architecture.find(part) != std::string::npos; };
  const std::string meant = is("LISA") ? "lisa" : is("GLaMM") ? "glamm" : "";
  if (!meant.empty() && meant != command) {
    fields.fail("architectures", architecture + " is of the layout " + meant + ", not " + command);
  }
  if (is("LlavaNext") || is("LlavaOnevision") || is("VipLlava")) {
    fields.fail("architectures",
                architecture + " is not supported; known are LLaVA-1.5 and LLaVA-Med v1.5");
  }
  const auto aspect = fields.text("image_aspect_ratio", "");
  if (aspect.starts_with("anyres")) {
    fields.fail("image_aspect_ratio",
                "\"" + aspect + "\" is not supported; known are pad and square");
  }
  const auto feature = fields.text("mm_vision_select_feature", "patch");
  if (feature != "patch")
    fields.fail("mm_vision_select_feature", "\"" + feature + "\" is not supported; known is patch");
}

std::string projector_of(const Fields& fields, const std::string& command) {
  const auto type = fields.text("mm_projector_type", command == "glamm" ? "mlp2x_gelu" : "linear");
  if (type != "linear" && type != "mlp2x_gelu") {
    fields.fail("mm_projector_type",
                "\"" + type + "\" is not supported; known are linear and mlp2x_gelu");
  }
  return type;
}

std::string family_of(const Json& json) {
  const auto type = json.value("model_type", Json());
  if (!type.is_string()) return "llama";
  const auto name = type.get<std::string>();
  for (const char* family : {"mistral", "qwen2"}) {
    if (name.find(family) != std::string::npos) return family;
  }
  return "llama";
}

void read_hugging_face(const Fields& fields, const Json& json, LayoutConfig& config) {
  config.layout = "llava-hf";
  const auto& text = json.at("text_config");
  if (!text.is_object()) fields.fail("text_config", "expected an object");
  const auto family = family_of(text);
  config.language = language_defaults(family);
  config.language.merge_patch(text);
  config.language["model_type"] = family;
  if (json.contains("vision_config")) config.vision = json.at("vision_config");
  const auto strategy = fields.text("vision_feature_select_strategy", "default");
  if (strategy != "default") {
    fields.fail("vision_feature_select_strategy",
                "\"" + strategy + "\" is not supported; known is default");
  }
  if (const auto* layer = fields.find("vision_feature_layer");
      layer != nullptr && layer->is_array())
    fields.fail("vision_feature_layer", "several layers are not supported");
  config.select_layer = fields.integer("vision_feature_layer", -2);
  config.projector = "mlp2x_gelu";
  const auto act = fields.text("projector_hidden_act", "gelu");
  if (act != "gelu")
    fields.fail("projector_hidden_act", "\"" + act + "\" is not supported; known is gelu");
  if (const auto* bias = fields.find("multimodal_projector_bias");
      bias != nullptr && *bias == false)
    fields.fail("multimodal_projector_bias", "false is not supported");
  const auto processor = config.path.parent_path() / "preprocessor_config.json";
  if (std::filesystem::exists(processor)) {
    config.pads = Fields(read_object(processor), processor.string()).flag("do_pad");
  }
}

}  // namespace

LayoutConfig read_layout_config(const std::filesystem::path& folder, const std::string& command) {
  LayoutConfig config;
  config.path = folder / "config.json";
  const auto json = read_object(config.path);
  const Fields fields(json, config.path.string());
  refuse_other_layouts(fields, json, command);
  config.layout = command;
  config.tokenizer_mode =
      "hf_legacy";  // transformers 4.31, with which LISA, GLaMM and LLaVA-1.5 were trained
  config.conversation = "llava_v1";
  if (json.contains("text_config")) {
    if (command != "llava") fields.fail("text_config", "this is a llava-hf folder, not " + command);
    read_hugging_face(fields, json, config);
    if (config.language["model_type"] == "mistral") config.conversation = "mistral_instruct";
    config.tokenizer_mode = "hf_legacy_nostrip";
    return config;
  }
  const auto family = family_of(json);
  config.language = json;
  config.language["model_type"] = family;
  if (family == "mistral") {  // LLaVA-Med v1.5, transformers 4.36
    config.conversation = "mistral_instruct";
    config.tokenizer_mode = "hf_legacy_nostrip";
  }
  config.projector = projector_of(fields, command);
  config.select_layer = fields.integer("mm_vision_select_layer", -2);
  config.image_start_end = fields.flag("mm_use_im_start_end");
  config.pads = command == "llava" && fields.text("image_aspect_ratio", "") == "pad";
  config.prompt_width = fields.integer("out_dim", 0);
  config.tower = fields.text("mm_vision_tower", fields.text("vision_tower", ""));
  return config;
}

}  // namespace medseg
