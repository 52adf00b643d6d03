#include "layout_config.h"

#include "language_family.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

using Json = nlohmann::json;

// transformers leaves out of config.json what equals its defaults, so llava-hf's text_config may
// hold next to nothing.
Json language_defaults(const LanguageFamily& family) {
  Json defaults = {{"hidden_size", 4096},         {"intermediate_size", family.mlp_width},
                   {"num_hidden_layers", 32},     {"num_attention_heads", 32},
                   {"rms_norm_eps", 1e-6},        {"max_position_embeddings", family.max_positions},
                   {"tie_word_embeddings", false}};
  if (family.kv_heads > 0) defaults["num_key_value_heads"] = family.kv_heads;
  return defaults;
}

class Fields {
 public:
  Fields(const Json& json, std::string where) : json_(json), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw CheckpointError(where_, key + ": " + what);
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
  auto json =
      raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
  if (!json.is_object()) throw CheckpointError(path.string(), "not a JSON object");
  return json;
}

// LlavaLlamaForCausalLM, LISAForCausalLM, GLaMMForCausalLM, LlavaMistralForCausalLM …
std::string first_architecture(const Json& json) {
  const auto found = json.find("architectures");
  if (found == json.end() || !found->is_array() || found->empty() || !found->front().is_string())
    return "";
  return found->front().get<std::string>();
}

void refuse_other_layouts(const Fields& fields, const Json& json, ImportLayout command) {
  const auto architecture = first_architecture(json);
  const auto is = [&](const char* part) { return architecture.find(part) != std::string::npos; };
  const auto refuse_unless = [&](const char* part, ImportLayout meant) {
    if (!is(part) || meant == command) return;
    fields.fail("architectures",
                architecture + " is of the layout " + name_of(meant) + ", not " + name_of(command));
  };
  refuse_unless("LISA", ImportLayout::kLisa);
  refuse_unless("GLaMM", ImportLayout::kGlamm);
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

ProjectorType projector_of(const Fields& fields, ImportLayout command) {
  const auto unstated =
      command == ImportLayout::kGlamm ? ProjectorType::kMlp2xGelu : ProjectorType::kLinear;
  const auto type = fields.text("mm_projector_type", name_of(unstated));
  const auto known = find_choice<ProjectorType>(type);
  if (!known) {
    fields.fail("mm_projector_type", "\"" + type + "\" is not supported; known are " +
                                         join(choice_names<ProjectorType>(), " and "));
  }
  return *known;
}

const LanguageFamily& family_of(const Json& json) {
  const auto type = json.value("model_type", Json());
  return language_family_in(type.is_string() ? type.get<std::string>() : "");
}

void read_hugging_face(const Fields& fields, const Json& json, LayoutConfig& config) {
  config.layout = "llava-hf";
  const auto& text = json.at("text_config");
  if (!text.is_object()) fields.fail("text_config", "expected an object");
  const auto& family = family_of(text);
  config.language = language_defaults(family);
  // On either level, and transformers leaves out what its class has by default: else the tensors
  // decide.
  config.language.erase("tie_word_embeddings");
  if (const auto* tied = fields.find("tie_word_embeddings"))
    config.language["tie_word_embeddings"] = *tied;
  config.language.merge_patch(text);
  config.language["model_type"] = family.name;
  config.conversation = family.conversation;
  config.tokenizer_mode = "hf_legacy_nostrip";
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
  config.projector = ProjectorType::kMlp2xGelu;
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

LayoutConfig read_layout_config(const std::filesystem::path& folder, ImportLayout command) {
  LayoutConfig config;
  config.path = folder / "config.json";
  const auto json = read_object(config.path);
  const Fields fields(json, config.path.string());
  refuse_other_layouts(fields, json, command);
  if (json.contains("text_config")) {
    if (command != ImportLayout::kLlava)
      fields.fail("text_config", "this is a llava-hf folder, not " + name_of(command));
    read_hugging_face(fields, json, config);
    return config;
  }
  const auto& family = family_of(json);
  config.layout = name_of(command);
  config.language = json;
  config.language["model_type"] = family.name;
  config.conversation = family.conversation;
  config.tokenizer_mode = family.tokenizer_mode;
  config.projector = projector_of(fields, command);
  config.select_layer = fields.integer("mm_vision_select_layer", -2);
  config.image_start_end = fields.flag("mm_use_im_start_end");
  config.pads = command == ImportLayout::kLlava && fields.text("image_aspect_ratio", "") == "pad";
  config.prompt_width = fields.integer("out_dim", 0);
  config.tower = fields.text("mm_vision_tower", fields.text("vision_tower", ""));
  return config;
}

}  // namespace medseg
