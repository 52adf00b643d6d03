#include "exported_config.h"

#include "language_family.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/models/clip.h"
#include "medseg/models/sam_vit.h"

namespace medseg {
namespace {

using Json = nlohmann::json;

// LISA and GLaMM name a tower to download; an exported folder holds it beside the file.
constexpr const char* kTowerFolder = "vision_tower";

Json rope_scaling(const RopeScalingOptions& options) {
  if (options.type == RopeScaling::kNone) return nullptr;
  if (options.type == RopeScaling::kFactors)
    throw CheckpointError(
        "rotary factors of a GGUF have no place in a config.json of transformers");
  Json json = {{"rope_type", name_of(options.type)}, {"factor", options.factor}};
  if (options.type == RopeScaling::kLlama3) {
    json["low_freq_factor"] = options.low_freq_factor;
    json["high_freq_factor"] = options.high_freq_factor;
    json["original_max_position_embeddings"] = options.original_max_positions;
  }
  return json;
}

Json token_or_null(const std::optional<std::int64_t>& id) { return id ? Json(*id) : Json(nullptr); }

}  // namespace

Json language_config(const LlamaOptions& options, const Tokenizer& tokenizer) {
  using Window = LanguageFamily::Window;
  const auto& family = language_family_of(options);
  Json json = {{"architectures", {family.architecture}},
               {"model_type", family.name},
               {"hidden_act", "silu"},
               {"hidden_size", options.width},
               {"intermediate_size", options.mlp_width},
               {"num_hidden_layers", options.layers},
               {"num_attention_heads", options.heads},
               {"num_key_value_heads", options.kv_heads},
               {"rms_norm_eps", options.norm_eps},
               {"rope_theta", options.rope_theta},
               {"rope_scaling", rope_scaling(options.rope_scaling)},
               {"max_position_embeddings", options.max_positions},
               {"tie_word_embeddings", options.tied_head},
               {"vocab_size", options.vocabulary},
               {"bos_token_id", token_or_null(tokenizer.bos())},
               {"eos_token_id", token_or_null(tokenizer.eos())}};
  if (options.head_dim > 0) json["head_dim"] = options.head_dim;
  if (options.attention_bias == AttentionBias::kQkvo) json["attention_bias"] = true;
  if (options.sliding_window > 0 && family.window != Window::kNever)
    json["sliding_window"] = options.sliding_window;
  if (options.sliding_window > 0 && family.window == Window::kWhenSwitchedOn) {
    json["use_sliding_window"] = true;
    json["max_window_layers"] = 0;
  }
  return json;
}

Json clip_config(const VisionOptions& options) {
  const auto& clip = options.tower.as<ClipOptions>();
  return {{"architectures", {"CLIPVisionModel"}},
          {"model_type", "clip_vision_model"},
          {"hidden_size", clip.width},
          {"intermediate_size", clip.mlp_width},
          {"num_hidden_layers", clip.layers},
          {"num_attention_heads", clip.heads},
          {"num_channels", 3},
          {"image_size", clip.image_size},
          {"patch_size", clip.patch},
          {"hidden_act", name_of(clip.activation)},
          {"layer_norm_eps", clip.norm_eps},
          {"projection_dim", 768}};
}

Json sam_config(const GroundingOptions& options) {
  const auto& vit = options.encoder.as<SamVitOptions>();
  return {{"architectures", {"SamModel"}},
          {"model_type", "sam"},
          {"vision_config",
           {{"model_type", "sam_vision_model"},
            {"hidden_size", vit.width},
            {"output_channels", options.width},
            {"num_hidden_layers", vit.depth},
            {"num_attention_heads", vit.heads},
            {"num_channels", 3},
            {"image_size", vit.image_size},
            {"patch_size", vit.patch},
            {"window_size", vit.window},
            {"global_attn_indexes", vit.global_blocks},
            {"mlp_dim", vit.mlp_width},
            {"num_pos_feats", options.width / 2},
            {"hidden_act", "gelu"},
            {"layer_norm_eps", 1e-6},
            {"qkv_bias", true},
            {"use_abs_pos", true},
            {"use_rel_pos", true}}},
          {"prompt_encoder_config",
           {{"hidden_size", options.width},
            {"image_size", vit.image_size},
            {"patch_size", vit.patch},
            {"mask_input_channels", options.mask_channels},
            {"num_point_embeddings", 4},
            {"hidden_act", "gelu"},
            {"layer_norm_eps", 1e-6}}},
          {"mask_decoder_config",
           {{"hidden_size", options.width},
            {"hidden_act", "relu"},
            {"mlp_dim", options.decoder_mlp},
            {"num_hidden_layers", options.decoder_depth},
            {"num_attention_heads", options.decoder_heads},
            {"attention_downsample_rate", 2},
            {"num_multimask_outputs", options.num_masks - 1},
            {"iou_head_depth", 3},
            {"iou_head_hidden_dim", options.width},
            {"layer_norm_eps", 1e-5}}}};  // as segment_anything; transformers' own default is 1e-6
}

Json segmenter_config(const BundleOptions& options, const Tokenizer& tokenizer,
                      ExportLayout layout) {
  auto json = language_config(options.model.language, tokenizer);
  const auto tower = clip_config(options.model.vision);
  json["architectures"] = {layout == ExportLayout::kLisa ? "LISAForCausalLM" : "GLaMMForCausalLM"};
  json["model_type"] = "llava";
  json["mm_vision_tower"] = kTowerFolder;
  json["vision_tower"] = kTowerFolder;
  json["mm_hidden_size"] = tower.at("hidden_size");
  json["mm_vision_select_layer"] = options.model.vision.tower.as<ClipOptions>().select_layer;
  json["mm_vision_select_feature"] = "patch";
  json["mm_projector_type"] = name_of(options.model.projector.type);
  json["mm_use_im_start_end"] = options.image_start_end;
  json["mm_use_im_patch_token"] = false;
  json["use_mm_proj"] = true;
  json["image_aspect_ratio"] = options.vision_preprocess.mode == VisionFit::kPad ? "pad" : "square";
  json["out_dim"] = options.model.grounding.width;
  json["train_mask_decoder"] = true;
  json["pad_token_id"] = 0;
  return json;
}

Json llava_config(const BundleOptions& options, const Tokenizer& tokenizer,
                  std::int64_t image_token, std::int64_t image_tokens) {
  return {{"architectures", {"LlavaForConditionalGeneration"}},
          {"model_type", "llava"},
          {"text_config", language_config(options.model.language, tokenizer)},
          {"vision_config", clip_config(options.model.vision)},
          {"image_token_index", image_token},
          {"image_seq_length", image_tokens},
          {"projector_hidden_act", "gelu"},
          {"multimodal_projector_bias", true},
          {"vision_feature_layer", options.model.vision.tower.as<ClipOptions>().select_layer},
          {"vision_feature_select_strategy", "default"},
          {"tie_word_embeddings", options.model.language.tied_head},
          {"bos_token_id", token_or_null(tokenizer.bos())},
          {"eos_token_id", token_or_null(tokenizer.eos())},
          {"pad_token_id", token_or_null(tokenizer.id_of("<pad>"))}};
}

Json image_config(const BundleOptions& options) {
  const auto size = clip_config(options.model.vision).at("image_size");
  const bool pads = options.vision_preprocess.mode == VisionFit::kPad;
  Json json = {{"image_processor_type", pads ? "LlavaImageProcessor" : "CLIPImageProcessor"},
               {"processor_class", "LlavaProcessor"},
               {"do_resize", true},
               {"size", {{"shortest_edge", size}}},
               {"resample", 3},  // Pillow's bicubic
               {"do_center_crop", true},
               {"crop_size", {{"height", size}, {"width", size}}},
               {"do_rescale", true},
               {"rescale_factor", 1.0 / 255},
               {"do_normalize", true},
               {"image_mean", options.vision_preprocess.mean},
               {"image_std", options.vision_preprocess.deviation},
               {"do_convert_rgb", true}};
  if (pads) json["do_pad"] = true;
  return json;
}

void write_tokenizer_config(const std::filesystem::path& folder, const Tokenizer& tokenizer,
                            const std::string& mode) {
  const auto path = folder / "tokenizer_config.json";
  Json json = Json::object();
  if (std::filesystem::exists(path)) json = Json::parse(read_file(path));
  const bool pieces = std::filesystem::exists(folder / "tokenizer.model");
  json["tokenizer_class"] = pieces ? "LlamaTokenizer" : "PreTrainedTokenizerFast";
  json["clean_up_tokenization_spaces"] = false;
  const auto role = [&](const char* key, const std::optional<std::int64_t>& id) {
    if (id && !json.contains(key)) json[key] = tokenizer.decode({*id});
  };
  role("bos_token", tokenizer.bos());
  role("eos_token", tokenizer.eos());
  role("unk_token", tokenizer.id_of("<unk>"));
  const auto padding = tokenizer.id_of("<pad>");
  role("pad_token", padding ? padding : tokenizer.id_of("<unk>"));
  if (pieces) {
    json["add_bos_token"] = tokenizer.adds_bos();
    json["add_eos_token"] = false;
    json["legacy"] = mode != "hf";
    const auto listed = folder / "added_tokens.json";
    if (std::filesystem::exists(listed)) {
      const bool strips = mode == "hf_legacy";
      const auto added = Json::parse(read_file(listed));
      for (const auto& [token, id] : added.items()) {
        json["added_tokens_decoder"][std::to_string(id.get<std::int64_t>())] = {
            {"content", token},    {"lstrip", strips},     {"rstrip", strips},
            {"normalized", false}, {"single_word", false}, {"special", false}};
      }
    }
  }
  write_file(path, json.dump(2) + "\n");
}

}  // namespace medseg
