// What transformers makes of a config.json: the defaults here are its configuration classes', 4.x
// and 5.x alike.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "language_family.h"
#include "language_geometry.h"
#include "language_shapes.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/models/part_names.h"
#include "medseg/weights/language_names.h"

namespace medseg {
namespace {

constexpr std::int64_t kMistralWindow = 4096;    // where config.json does not say null
constexpr std::int64_t kLargestCount = 1 << 24;  // beyond it a number is no size of a model

/// One object of config.json; a null is as good as absent.
class Section {
 public:
  Section(std::string where, nlohmann::json json)
      : where_(std::move(where)), json_(std::move(json)) {
    if (!json_.is_object()) throw CheckpointError(where_ + ": expected an object");
  }

  const nlohmann::json& json() const { return json_; }
  const nlohmann::json* find(const char* key) const {
    const auto found = json_.find(key);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }

  double number(const char* key, std::optional<double> otherwise = {}) const {
    const auto* found = find(key);
    if (found == nullptr && otherwise) return *otherwise;
    if (found == nullptr) fail(key, "is missing");
    if (!found->is_number() || !(found->get<double>() > 0))
      fail(key, found->dump() + ", expected a number above 0");
    return found->get<double>();
  }
  std::int64_t count(const char* key, std::optional<std::int64_t> otherwise = {},
                     std::int64_t least = 1) const {
    const auto* found = find(key);
    if (found == nullptr && otherwise) return *otherwise;
    if (found == nullptr) fail(key, "is missing");
    if (!found->is_number_integer()) fail(key, found->dump() + ", expected a whole number");
    const auto value = found->get<std::int64_t>();
    if (value < least || value > kLargestCount) fail(key, found->dump() + " is out of range");
    return value;
  }
  bool flag(const char* key, bool otherwise) const {
    const auto* found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_boolean()) fail(key, found->dump() + ", expected true or false");
    return found->get<bool>();
  }
  std::string text(const char* key, const std::string& otherwise) const {
    const auto* found = find(key);
    if (found == nullptr) return otherwise;
    if (!found->is_string()) fail(key, found->dump() + ", expected a text");
    return found->get<std::string>();
  }

  [[noreturn]] void fail(const std::string& key, const std::string& what) const {
    throw CheckpointError(where_, key + ": " + what);
  }
  const std::string& where() const { return where_; }

 private:
  std::string where_;
  nlohmann::json json_;
};

const LanguageFamily& family_of(const Section& config, const std::string& named) {
  const auto families = language_families();
  const auto with = [&](const std::string& name) {
    return std::find_if(families.begin(), families.end(), [&](const LanguageFamily& family) {
      return family.name == name || family.architecture == name;
    });
  };
  std::string stated = named;
  const char* key = "architectures";
  if (const auto* list = config.find(key); stated.empty() && list != nullptr) {
    if (!list->is_array() || list->empty() || !list->front().is_string())
      config.fail(key, list->dump() + ", expected a list of names");
    stated = list->front().get<std::string>();
  }
  if (stated.empty()) stated = config.text(key = "model_type", "");
  const auto found = with(stated);
  if (found == families.end()) {
    std::vector<std::string> known;
    for (const auto& family : families) known.emplace_back(family.architecture);
    config.fail(key, str_cat("\"", stated, "\"; known are ", join(known, ", ")));
  }
  const auto type = config.text("model_type", std::string(found->name));
  if (named.empty() && type != found->name)
    config.fail("model_type",
                str_cat("\"", type, "\", but architectures says ", found->architecture));
  return *found;
}

void refuse_what_the_network_has_not(const Section& config) {
  const auto activation = config.text("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    config.fail("hidden_act", "\"" + activation + "\" is not supported; known is silu");
  if (config.flag("mlp_bias", false)) config.fail("mlp_bias", "true is not supported");
  if (config.number("partial_rotary_factor", 1.0) != 1.0)
    config.fail("partial_rotary_factor", "only 1 is supported");
  if (config.find("quantization_config") != nullptr)
    config.fail("quantization_config", "quantised Hugging Face weights are not supported");
}

void read_rotary(const Section& config, LlamaOptions& options) {
  options.rope_theta = config.number("rope_theta", 10000.0);
  const char* key = "rope_scaling";  // of transformers 4; 5 writes rope_parameters
  const auto is_empty = [&] { return config.find(key) == nullptr || config.find(key)->empty(); };
  if (is_empty()) key = "rope_parameters";
  if (is_empty()) return;
  const Section rope(config.where() + ": " + key, *config.find(key));
  for (const auto& [name, value] : rope.json().items()) {
    if (value.is_object()) rope.fail(name, "positions of a layer type's own are not supported");
  }
  options.rope_theta = rope.number("rope_theta", options.rope_theta);
  if (rope.number("partial_rotary_factor", 1.0) != 1.0)
    rope.fail("partial_rotary_factor", "only 1 is supported");
  const auto type = rope.text("rope_type", rope.text("type", "default"));
  if (type == "default") return;
  auto& scaling = options.rope_scaling;
  if (type != "linear" && type != "llama3") {
    rope.fail("rope_type",
              "\"" + type + "\" is not supported; known are default, linear and llama3");
  }
  scaling.type = type == "linear" ? RopeScaling::kLinear : RopeScaling::kLlama3;
  scaling.factor = rope.number("factor");
  if (scaling.type == RopeScaling::kLinear) return;
  scaling.low_freq_factor = rope.number("low_freq_factor");
  scaling.high_freq_factor = rope.number("high_freq_factor");
  scaling.original_max_positions =
      config.count("original_max_position_embeddings",
                   rope.count("original_max_position_embeddings", options.max_positions));
  if (scaling.low_freq_factor >= scaling.high_freq_factor)
    rope.fail("low_freq_factor", "is not below high_freq_factor");
}

/// One window for all layers, or none.
std::int64_t window_of(const Section& config, const LanguageFamily& family, std::int64_t layers) {
  if (family.window == LanguageFamily::Window::kNever) return 0;
  const bool switched = family.window == LanguageFamily::Window::kWhenSwitchedOn;
  if (switched && !config.flag("use_sliding_window", false)) return 0;
  if (config.json().contains("sliding_window") && config.find("sliding_window") == nullptr)
    return 0;
  const auto window = config.count("sliding_window", kMistralWindow);
  std::int64_t windowed = layers;
  if (const auto* types = config.find("layer_types")) {
    windowed = std::count(types->begin(), types->end(), "sliding_attention");
  } else if (switched) {
    windowed = layers - std::min(layers, config.count("max_window_layers", 28, 0));
  }
  if (windowed == 0) return 0;
  if (windowed == layers) return window;
  config.fail("sliding_window", str_cat(windowed, " of ", layers,
                                        " layers with a window: a window for some layers is not "
                                        "supported"));
}

bool tied_head(const Section& config, const TensorFile& file, const LanguageShapes& shapes) {
  const std::string head = part::kHead;
  const auto equal = [&] {
    const auto rows = file.load(head), embedding = file.load(part::kEmbedding);
    return rows.sizes() == embedding.sizes() && rows.dtype() == embedding.dtype() &&
           at::equal(rows, embedding);
  };
  // A file may carry a tied matrix under both names (torch.save, metadata of safetensors).
  if (config.find("tie_word_embeddings") == nullptr) return !shapes.contains(head) || equal();
  const bool tied = config.flag("tie_word_embeddings", false);
  if (!tied && !shapes.contains(head)) {
    config.fail("tie_word_embeddings",
                "false, but " + file.path().string() + " has no lm_head.weight");
  }
  if (tied && shapes.contains(head) && !equal()) {
    config.fail("tie_word_embeddings", "true, but lm_head.weight of " +
                                           file.path_of(head).string() +
                                           " is not model.embed_tokens.weight");
  }
  return tied;
}

/// Biases as the tensors have them; the configuration may not say otherwise.
AttentionBias attention_bias(const Section& config, const LanguageFamily& family,
                             const LanguageShapes& shapes) {
  using Bias = LanguageFamily::Bias;
  const auto found = shapes.attention_bias();
  const auto biases = name_of(found);
  const bool configured = family.bias == Bias::kAsConfigured;
  const bool stated =
      family.bias == Bias::kAlways || (configured && config.flag("attention_bias", false));
  if (stated == !biases.empty()) return found;
  config.fail(configured ? "attention_bias" : "model_type",
              str_cat(stated ? "the attention has biases" : "the attention has no biases",
                      ", but the weights ", stated ? "have none" : "have some (" + biases + ")"));
}

}  // namespace

nlohmann::json read_hugging_face_config(const std::filesystem::path& folder) {
  const auto path = folder / "config.json";
  if (!std::filesystem::exists(path)) {
    throw CheckpointError(path.string(),
                          "missing; heads, rotary base and norm epsilon of a Hugging Face model "
                          "stand in no other file");
  }
  return raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
}

LlamaOptions hugging_face_geometry(const nlohmann::json& json, const std::string& where,
                                   const TensorFile& file, const std::string& named) {
  const Section config(where, json);
  const auto& family = family_of(config, named);
  refuse_what_the_network_has_not(config);
  const LanguageShapes shapes(file, hugging_face_llama_sources(file, false));
  LlamaOptions options;
  options.vocabulary = shapes.matrix(part::kEmbedding)[0];
  if (const auto stated = config.count("vocab_size", options.vocabulary);
      stated != options.vocabulary) {
    config.fail("vocab_size", str_cat(stated, ", but model.embed_tokens.weight of ",
                                      file.path_of(part::kEmbedding).string(), " has ",
                                      options.vocabulary, " rows"));
  }
  options.width = config.count("hidden_size");
  options.layers = config.count("num_hidden_layers");
  options.heads = config.count("num_attention_heads");
  options.kv_heads = config.count("num_key_value_heads", options.heads);
  const auto head_dim =
      config.count("head_dim", std::max<std::int64_t>(1, options.width / options.heads));
  options.head_dim = head_dim * options.heads == options.width ? 0 : head_dim;
  options.mlp_width = config.count("intermediate_size");
  options.norm_eps = config.number("rms_norm_eps", 1e-6);
  options.max_positions = config.count("max_position_embeddings", family.max_positions);
  read_rotary(config, options);
  options.sliding_window = window_of(config, family, options.layers);
  options.tied_head = tied_head(config, file, shapes);
  options.attention_bias = attention_bias(config, family, shapes);
  shapes.check(options, config.where());
  return options;
}

}  // namespace medseg
