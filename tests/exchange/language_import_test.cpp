// Language models as researchers bring them -> a bundle with the logits of transformers; and what
// must be refused.
#include <array>
#include <cstring>
#include <filesystem>
#include <functional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/exchange/model_import.h"
#include "medseg/models/llama.h"
#include "medseg/nn/module.h"
#include "medseg/weights/tensor_file.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Tensors = std::map<std::string, at::Tensor>;

const fs::path kGolden = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/language";

double relative(const at::Tensor& got, const at::Tensor& expected) {
  EXPECT_EQ(got.sizes(), expected.sizes());
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

at::Tensor logits_of(const OpenBundle& bundle, const at::Tensor& ids) {
  const at::NoGradGuard no_grad;
  const auto& llama = bundle.model->language();
  return llama.logits(llama.forward(llama.embed(ids)));
}

class LanguageImport : public ::testing::Test {
 protected:
  ImportReport import_language(const fs::path& language,
                               MatrixStorage dtype = MatrixStorage::kFp32) const {
    ImportRequest request;
    request.language = language;
    request.dtype = dtype;
    return import_parts(request, out_);
  }

  std::string refusal(const fs::path& language) const {
    try {
      import_language(language);
    } catch (const CheckpointError& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      EXPECT_NE(what.find(language.string()), std::string::npos) << what;
      EXPECT_FALSE(fs::exists(out_));
      return what;
    }
    return "no error";
  }

  LlamaOptions imported_options(const fs::path& language) const {
    import_language(language);
    return read_bundle_options(out_).model.language;
  }

  /// A Hugging Face folder of these tensors, with a tokenizer.
  fs::path folder_of(const Tensors& tensors, const json& config) const {
    const auto folder = scratch_ / "folder";
    fs::remove_all(folder);
    fs::create_directories(folder);
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
      fs::copy(kGolden / "qwen2_tiny" / name, folder / name);
    write_safetensors(folder / "model.safetensors", {tensors.begin(), tensors.end()});
    write_file(folder / "config.json", config.dump());
    return folder;
  }

  static Tensors tensors_of(const fs::path& path, const std::string& prefix = "") {
    Tensors tensors;
    const auto file = open_tensor_file(path);
    for (const auto& info : file->tensors()) {
      if (info.name.starts_with(prefix))
        tensors[info.name.substr(prefix.size())] = file->load(info.name).clone();
    }
    return tensors;
  }

  static json qwen2_config() { return json::parse(read_file(kGolden / "qwen2_tiny/config.json")); }

  TempFolder scratch_{"language_import"};
  fs::path out_ = scratch_ / "bundle";
};

TEST_F(LanguageImport, AShardedFolderGivesTheLogitsOfTransformers) {
  const auto report = import_language(kGolden / "qwen2_tiny");
  EXPECT_TRUE(report.initialised.empty());
  EXPECT_TRUE(report.unused.empty()) << report.unused[0];
  const auto bundle = open_bundle(out_);
  const auto& options = bundle.options.model.language;
  EXPECT_EQ(options.attention_bias, AttentionBias::kQkv);
  EXPECT_TRUE(options.tied_head);
  EXPECT_EQ(options.sliding_window, 0);
  const auto expected = open_tensor_file(kGolden / "qwen2_tiny.safetensors");
  EXPECT_LT(relative(logits_of(bundle, expected->load("ids")), expected->load("logits")), 2e-5);
  EXPECT_EQ(bundle.tokenizer->size(), 423);
}

TEST_F(LanguageImport, GgufGivesTheLogitsOfTransformers) {
  for (const char* name : {"qwen2_tiny", "llama3_tiny"}) {
    const auto report = import_language(kGolden / (std::string(name) + ".gguf"));
    EXPECT_TRUE(report.unused.empty()) << report.unused[0];
    const auto bundle = open_bundle(out_);
    const bool qwen2 = std::string(name) == "qwen2_tiny";
    EXPECT_EQ(bundle.options.model.language.attention_bias,
              qwen2 ? AttentionBias::kQkv : AttentionBias::kNone);
    EXPECT_EQ(bundle.options.model.language.rope_scaling.type,
              qwen2 ? RopeScaling::kNone : RopeScaling::kFactors);
    EXPECT_EQ(bundle.options.model.language.head_dim, qwen2 ? 0 : 12);
    const auto expected = open_tensor_file(kGolden / (std::string(name) + ".safetensors"));
    EXPECT_LT(relative(logits_of(bundle, expected->load("ids")), expected->load("logits")), 2e-5);
    fs::remove_all(out_);
  }
}

/// config.json of a golden variant, in the words of transformers 4 and 5.
json variant_config(const std::string& name, bool four) {
  json config = {{"vocab_size", 23},         {"hidden_size", 16},
                 {"intermediate_size", 24},  {"num_hidden_layers", 2},
                 {"num_attention_heads", 4}, {"num_key_value_heads", 2},
                 {"rms_norm_eps", 1e-5},     {"max_position_embeddings", 64},
                 {"hidden_act", "silu"},     {"tie_word_embeddings", false}};
  json rope = {{"rope_type", "default"}};
  std::string family = "Llama";
  if (name == "qwen2") {
    family = "Qwen2";
    config.update({{"use_sliding_window", false}, {"sliding_window", 3}, {"max_window_layers", 1}});
  } else if (name == "mistral") {
    family = "Mistral";
    config.update({{"sliding_window", 5}, {"head_dim", 6}});
  } else if (name == "all_biases") {
    config["attention_bias"] = true;
  } else if (name == "linear") {
    rope = {{"rope_type", "linear"}, {"factor", 2.5}};
  } else if (name == "llama3") {
    config.update({{"num_attention_heads", 2}, {"num_key_value_heads", 1}, {"head_dim", 12}});
    rope = {{"rope_type", "llama3"},
            {"factor", 8.0},
            {"low_freq_factor", 1.0},
            {"high_freq_factor", 4.0},
            {"original_max_position_embeddings", 32}};
  }
  config["architectures"] = {family + "ForCausalLM"};
  config["model_type"] = family == "Qwen2" ? "qwen2" : family == "Mistral" ? "mistral" : "llama";
  if (four) {
    config["rope_theta"] = 1e4;
    if (name == "linear") rope = {{"type", "linear"}, {"factor", 2.5}};  // as it was spelled first
    config["rope_scaling"] = rope["rope_type"] == "default" ? json() : rope;
  } else {
    rope["rope_theta"] = 1e4;
    config["rope_parameters"] = rope;
  }
  return config;
}

TEST_F(LanguageImport, EveryMemberOfTheFamilyReadsFromItsConfiguration) {
  for (const char* name : {"qwen2", "mistral", "all_biases", "linear", "llama3"}) {
    const auto golden = kGolden / (std::string(name) + ".safetensors");
    const auto expected = open_tensor_file(golden);
    for (const bool four : {true, false}) {
      const auto folder = folder_of(tensors_of(golden, "weight."), variant_config(name, four));
      import_language(folder);
      const auto bundle = open_bundle(out_);
      // The tokenizer has more tokens than the model: rows were appended.
      const auto logits = logits_of(bundle, expected->load("ids")).slice(-1, 0, 23);
      EXPECT_LT(relative(logits, expected->load("logits")), 2e-5) << name << " " << four;
      fs::remove_all(out_);
    }
  }
}

TEST_F(LanguageImport, SilentConfigurationsMeanWhatTransformersMeans) {
  const auto tensors = tensors_of(kGolden / "mistral.safetensors", "weight.");
  auto config = variant_config("mistral", true);
  const auto window = [&] {
    const auto options = imported_options(folder_of(tensors, config));
    fs::remove_all(out_);
    return options.sliding_window;
  };
  config["sliding_window"] = nullptr;
  EXPECT_EQ(window(), 0);
  config.erase("sliding_window");
  EXPECT_EQ(window(), 4096);

  auto qwen2 = qwen2_config();
  qwen2.erase("layer_types");
  qwen2.update({{"use_sliding_window", true}, {"sliding_window", 8}, {"max_window_layers", 0}});
  const auto weights = tensors_of(kGolden / "qwen2_tiny");
  EXPECT_EQ(imported_options(folder_of(weights, qwen2)).sliding_window, 8);
  fs::remove_all(out_);
  qwen2["max_window_layers"] = 2;
  EXPECT_EQ(imported_options(folder_of(weights, qwen2)).sliding_window, 0);
}

TEST_F(LanguageImport, OldFilesCarryMoreThanTheModelNeeds) {
  auto tensors = tensors_of(kGolden / "qwen2_tiny");
  tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::ones({2});
  tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].clone();  // tied all the same
  tensors["model.mm_projector.weight"] = at::ones({2, 2});
  const auto report = import_language(folder_of(tensors, qwen2_config()));
  EXPECT_EQ(report.unused,
            (std::vector<std::string>{"lm_head.weight", "model.mm_projector.weight"}));
  EXPECT_TRUE(read_bundle_options(out_).model.language.tied_head);
}

TEST_F(LanguageImport, ConfigurationsThatTheNetworkOrTheTensorsContradictAreRefused) {
  const auto tensors = tensors_of(kGolden / "qwen2_tiny");
  const std::vector<std::pair<const char*, const char*>> cases = {
      {R"({"architectures": ["GemmaForCausalLM"]})",
       "architectures: \"GemmaForCausalLM\"; known are LlamaForCausalLM, MistralForCausalLM, "},
      {R"({"architectures": null, "model_type": "gemma"})", "model_type: \"gemma\"; known are"},
      {R"({"architectures": []})", "architectures: [], expected a list of names"},
      {R"({"model_type": "llama"})", "model_type: \"llama\", but architectures says Qwen2"},
      {R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama"})",
       "attention_bias: the attention has no biases, but the weights have some (qkv)"},
      {R"({"hidden_act": "gelu"})", "hidden_act: \"gelu\" is not supported; known is silu"},
      {R"({"mlp_bias": true})", "mlp_bias: true is not supported"},
      {R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor: only 1 is supported"},
      {R"({"quantization_config": {"bits": 4}})", "quantization_config: quantised"},
      {R"({"rope_scaling": {"type": "dynamic", "factor": 2.0}})",
       "rope_scaling: rope_type: \"dynamic\" is not supported; known are default, linear and "
       "llama3"},
      {R"({"rope_parameters": {"rope_type": "yarn", "factor": 2.0}})", "\"yarn\" is not supported"},
      {R"({"rope_scaling": {"rope_type": "longrope"}})", "\"longrope\" is not supported"},
      {R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})",
       "full_attention: positions of a layer type's own are not supported"},
      {R"({"rope_scaling": {"rope_type": "linear"}})", "rope_scaling: factor: is missing"},
      {R"({"rope_scaling": {"rope_type": "linear", "factor": 0}})", "factor: 0, expected a number"},
      {R"({"rope_scaling": {"rope_type": "llama3", "factor": 8,
           "low_freq_factor": 4, "high_freq_factor": 1}})",
       "low_freq_factor: is not below high_freq_factor"},
      {R"({"rope_scaling": 3})", "rope_scaling: expected an object"},
      {R"({"use_sliding_window": true, "sliding_window": 8, "layer_types": null,
           "max_window_layers": 1})",
       "sliding_window: 1 of 2 layers with a window"},
      {R"({"tie_word_embeddings": false})", "tie_word_embeddings: false, but"},
      {R"({"num_attention_heads": 2})", "2 heads (2 of keys) of 8"},
      {R"({"num_attention_heads": 2})", "k_proj.bias is [8], expected [16]"},
      {R"({"num_key_value_heads": 3})", "4 heads (3 of keys) of 4 columns are no attention"},
      {R"({"head_dim": 8})", "4 heads (2 of keys) of 8"},
      {R"({"head_dim": 3})", "of 3 columns are no attention"},
      {R"({"intermediate_size": 32})", "down_proj.weight is [16, 24], expected [16, 32]"},
      {R"({"num_hidden_layers": 1})", "1 layers, but"},
      {R"({"num_hidden_layers": 3})", "no tensor for model.layers.2."},
      {R"({"vocab_size": 400})", "vocab_size: 400, but model.embed_tokens.weight of"},
      {R"({"hidden_size": "16"})", "hidden_size: \"16\", expected a whole number"},
      {R"({"hidden_size": null})", "hidden_size: is missing"},
      {R"({"num_attention_heads": 0})", "num_attention_heads: 0 is out of range"},
      {R"({"num_attention_heads": 64})", "of 1 columns are no attention"},
      {R"({"max_position_embeddings": 1000000000000})",
       "max_position_embeddings: 1000000000000 is out"},
      {R"({"rms_norm_eps": -1})", "rms_norm_eps: -1, expected a number above 0"},
  };
  for (const auto& [patch, expected] : cases) {
    auto config = qwen2_config();
    config.merge_patch(json::parse(patch));
    const auto what = refusal(folder_of(tensors, config));
    EXPECT_NE(what.find(expected), std::string::npos) << patch << ": " << what;
    EXPECT_NE(what.find("config.json"), std::string::npos) << what;
  }
}

TEST_F(LanguageImport, AFolderWithoutAReadableConfigurationIsRefused) {
  const auto tensors = tensors_of(kGolden / "qwen2_tiny");
  const auto folder = folder_of(tensors, qwen2_config());
  write_file(folder / "config.json", "[]");
  EXPECT_NE(refusal(folder).find("config.json: expected an object"), std::string::npos);
  write_file(folder / "config.json", "{");
  EXPECT_NE(refusal(folder).find("config.json"), std::string::npos);
  fs::remove(folder / "config.json");
  EXPECT_NE(refusal(folder).find("config.json: missing; heads, rotary base"), std::string::npos);
}

TEST_F(LanguageImport, TensorsThatNoMemberOfTheFamilyHasAreRefused) {
  const std::string layer = "model.layers.0.";
  const auto without = [](Tensors& tensors, const std::string& name) { tensors.erase(name); };
  const std::vector<std::pair<std::function<void(Tensors&)>, const char*>> cases = {
      {[&](Tensors& t) { t[layer + "self_attn.q_norm.weight"] = at::ones({4}); },
       "model.layers.0.self_attn.q_norm.weight has no place in"},
      {[&](Tensors& t) { t[layer + "mlp.up_proj.bias"] = at::ones({24}); },
       "model.layers.0.mlp.up_proj.bias has no place in"},
      {[&](Tensors& t) { t["model.layers.x.mlp.up_proj.weight"] = at::ones({24}); },
       "model.layers.x.mlp.up_proj.weight has no place in"},
      {[&](Tensors& t) { without(t, layer + "self_attn.k_proj.bias"); },
       "layer 0 has biases of qv alone; known are none, qkv and qkvo"},
      {[&](Tensors& t) { without(t, "model.layers.1.self_attn.k_proj.bias"); },
       "no tensor for model.layers.1.self_attn.k_proj.bias"},
      {[&](Tensors& t) {
         for (const char* which : {"0.self_attn.q", "0.self_attn.k", "0.self_attn.v"})
           without(t, str_cat("model.layers.", which, "_proj.bias"));
       },
       "model_type: the attention has biases, but the weights have none"},
      {[&](Tensors& t) {
         t["lm_head.weight"] = at::ones({423, 16});
       },
       "tie_word_embeddings: true, but lm_head.weight of"},
      {[&](Tensors& t) { without(t, "model.embed_tokens.weight"); },
       "no tensor for model.embed_tokens.weight"},
      {[&](Tensors& t) { t["model.embed_tokens.weight"] = at::ones({423}); },
       "model.embed_tokens.weight is [423], expected a matrix"},
      {[&](Tensors& t) { t["model.norm.weight"] = at::ones({8}); },
       "model.norm.weight is [8], expected [16]"},
  };
  for (const auto& [change, expected] : cases) {
    auto tensors = tensors_of(kGolden / "qwen2_tiny");
    change(tensors);
    const auto what = refusal(folder_of(tensors, qwen2_config()));
    EXPECT_NE(what.find(expected), std::string::npos) << what;
  }
}

/// Bytes of a GGUF with further metadata behind its header. A last value pads them to the alignment
/// of the data.
class GgufMetadata {
 public:
  explicit GgufMetadata(const fs::path& path) : bytes_(read_file(path)) {}

  void add(const std::string& key, std::uint32_t value) {
    entry(key, 4);
    number(value);
  }
  void add(const std::string& key, float value) {
    entry(key, 6);
    number(value);
  }
  void add(const std::string& key, const std::string& value) {
    entry(key, 8);
    text(value);
  }

  std::string finish() {
    const std::string key = "padding";
    const auto length = added_.size() + 8 + key.size() + 4 + 8;
    add(key, std::string((32 - length % 32) % 32, ' '));
    std::uint64_t count = 0;
    std::memcpy(&count, bytes_.data() + 16, sizeof count);
    count += entries_;
    bytes_.replace(16, sizeof count, reinterpret_cast<const char*>(&count), sizeof count);
    return bytes_.insert(24, added_);
  }

 private:
  template <class T>
  void number(T value) {
    added_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void text(const std::string& value) {
    number(static_cast<std::uint64_t>(value.size()));
    added_ += value;
  }
  void entry(const std::string& key, std::uint32_t type) {
    text(key);
    number(type);
    ++entries_;
  }

  std::string bytes_, added_;
  std::uint64_t entries_ = 0;
};

TEST_F(LanguageImport, GgufKeysOfWindowAndScalingAreRead) {
  const auto path = scratch_ / "changed.gguf";
  GgufMetadata file(kGolden / "qwen2_tiny.gguf");
  file.add("qwen2.attention.sliding_window", std::uint32_t{7});
  file.add("qwen2.rope.scaling.type", std::string("linear"));
  file.add("qwen2.rope.scaling.factor", 4.0F);
  write_file(path, file.finish());
  const auto options = imported_options(path);
  EXPECT_EQ(options.sliding_window, 7);
  EXPECT_EQ(options.rope_scaling.type, RopeScaling::kLinear);
  EXPECT_EQ(options.rope_scaling.factor, 4.0);
}

TEST_F(LanguageImport, GgufThatTheNetworkOrTheTensorsContradictAreRefused) {
  const auto path = scratch_ / "changed.gguf";
  const std::vector<std::pair<std::function<void(GgufMetadata&)>, const char*>> added = {
      {[](GgufMetadata& f) { f.add("llama.rope.scaling.type", std::string("yarn")); },
       "llama.rope.scaling.type: \"yarn\" is not supported; known are none, linear"},
      {[](GgufMetadata& f) { f.add("llama.rope.scaling.factor", 2.0F); },
       "llama.rope.scaling: linear beside rope_freqs.weight"},
      {[](GgufMetadata& f) { f.add("llama.expert_count", std::uint32_t{8}); },
       "llama.expert_count: mixtures of experts are not supported"},
      {[](GgufMetadata& f) { f.add("llama.attention.sliding_window", std::string("5")); },
       "llama.attention.sliding_window has another type"},
  };
  for (const auto& [change, expected] : added) {
    GgufMetadata file(kGolden / "llama3_tiny.gguf");
    change(file);
    write_file(path, file.finish());
    const auto what = refusal(path);
    EXPECT_NE(what.find(expected), std::string::npos) << what;
  }
  // Names of one length: every place of the first becomes the second.
  const std::vector<std::array<const char*, 3>> renamed = {
      {"qwen2", "gemma", "general.architecture: \"gemma\"; known are llama, qwen2"},
      {"blk.1.attn_norm", "blk.1.attn_xxxx", "blk.1.attn_xxxx.weight has no place in a LLaMA"},
      {"blk.1.ffn_up", "blk.2.ffn_up", "no tensor for model.layers.1.mlp.up_proj.weight"},
      {"qwen2.block_count", "qwen2.block_kount", "qwen2.block_count is missing"},
      {"blk.0.attn_v.bias", "blk.0.attn_v.byas", "layer 0 has biases of qk alone"},
  };
  for (const auto& [from, to, expected] : renamed) {
    auto bytes = read_file(kGolden / "qwen2_tiny.gguf");
    for (auto at = bytes.find(from); at != std::string::npos; at = bytes.find(from))
      bytes.replace(at, std::string(from).size(), to);
    write_file(path, bytes);
    const auto what = refusal(path);
    EXPECT_NE(what.find(expected), std::string::npos) << what;
  }
  auto bytes = read_file(kGolden / "llama3_tiny.gguf");
  const std::string key = "llama.rope.dimension_count";
  bytes[bytes.find(key) + key.size() + 4] = 6;
  write_file(path, bytes);
  EXPECT_NE(refusal(path).find("rope.dimension_count: 6, but a head has 12 columns"),
            std::string::npos);
}

TEST_F(LanguageImport, ABundleMayKeepMatricesInBf16) {
  import_language(kGolden / "qwen2_tiny", MatrixStorage::kBf16);
  const auto file = open_tensor_file(out_ / "model.safetensors");
  const auto original = open_tensor_file(kGolden / "qwen2_tiny");
  for (const auto& info : file->tensors()) {
    EXPECT_EQ(info.dtype, info.shape.size() == 2 ? "BF16" : "F32") << info.name;
    const auto expected = original->load(info.name);
    EXPECT_TRUE(at::equal(file->load(info.name),
                          info.shape.size() == 2 ? expected.to(at::kBFloat16) : expected));
  }
  const auto bundle = open_bundle(out_);
  EXPECT_EQ(bundle.model->language().embed_tokens.scalar_type(), at::kBFloat16);
  cast_parameters(*bundle.model, at::kFloat, is_bf16);
  const auto expected = open_tensor_file(kGolden / "qwen2_tiny.safetensors");
  const auto error = relative(logits_of(bundle, expected->load("ids")), expected->load("logits"));
  EXPECT_GT(error, 1e-5);
  EXPECT_LT(error, 0.03);
}

TEST_F(LanguageImport, AnUnknownDtypeIsNamed) {
  try {
    choice_named<MatrixStorage>("--dtype", "fp61");
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_EQ(std::string(error.what()).find("--dtype: unknown \"fp61\""), 0U) << error.what();
  }
}

}  // namespace
}  // namespace medseg
