#include <set>

#include <ATen/ATen.h>

#include "language_family.h"
#include "language_geometry.h"
#include "language_shapes.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/part_names.h"
#include "medseg/weights/language_names.h"

namespace medseg {
namespace {

constexpr std::int64_t kLargestCount = 1 << 24;  // beyond it a number is no size of a model

/// Keys of one file's metadata, those of its architecture without the prefix.
class Metadata {
 public:
  explicit Metadata(const TensorFile& file) : file_(file) {
    architecture_ = any<std::string>("general.architecture").value_or("");
    std::vector<std::string> known;
    for (const auto& family : language_families()) {
      if (family.gguf == nullptr) continue;
      if (family.gguf == architecture_) return;
      known.emplace_back(family.gguf);
    }
    throw CheckpointError(file_.path().string(), str_cat("general.architecture: \"", architecture_,
                                                         "\"; known are ", join(known, ", ")));
  }

  template <class T>
  std::optional<T> find(const std::string& key) const {
    return any<T>(architecture_ + "." + key);
  }

  template <class T>
  T get(const std::string& key) const {
    if (const auto value = find<T>(key)) return *value;
    fail(key + " is missing");
  }

  /// A count of 1 or more.
  std::int64_t count(const std::string& key, std::optional<std::int64_t> otherwise = {}) const {
    const auto value = find<std::int64_t>(key);
    if (!value && otherwise) return *otherwise;
    if (!value) fail(key + " is missing");
    if (*value < 1 || *value > kLargestCount) fail(str_cat(key, ": ", *value, " is out of range"));
    return *value;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw CheckpointError(file_.path().string() + ": " + architecture_ + "." + what);
  }

 private:
  template <class T>
  std::optional<T> any(const std::string& key) const {
    const auto found = file_.metadata().find(key);
    if (found == file_.metadata().end()) return std::nullopt;
    if (const auto* value = std::get_if<T>(&found->second)) return *value;
    throw CheckpointError(file_.path().string() + ": " + key + " has another type");
  }

  const TensorFile& file_;
  std::string architecture_;
};

RopeScalingOptions scaling_of(const TensorFile& file, const Metadata& metadata,
                              std::int64_t head_dim) {
  RopeScalingOptions scaling;
  const auto stated = metadata.find<std::string>("rope.scaling.type");
  const auto type = stated.value_or("linear");  // files from before the key was written
  if (type != "none" && type != "linear") {
    metadata.fail("rope.scaling.type: \"" + type +
                  "\" is not supported; known are none, linear, "
                  "and the tensor rope_freqs.weight (Llama 3)");
  }
  const auto factor = metadata.find<double>("rope.scaling.factor")
                          .value_or(metadata.find<double>("rope.scale_linear").value_or(0.0));
  if (type == "linear" && factor != 0.0 && factor != 1.0) {  // 0: as if not there
    if (!(factor > 0)) metadata.fail(str_cat("rope.scaling.factor: ", factor));
    scaling.type = RopeScaling::kLinear;
    scaling.factor = factor;
  }
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    if (file.contains(name)) {
      throw CheckpointError(file.path().string() + ": " + name + ": longrope is not supported");
    }
  }
  if (!file.contains("rope_freqs.weight")) return scaling;
  if (scaling.type != RopeScaling::kNone)
    metadata.fail("rope.scaling: linear beside rope_freqs.weight");
  const auto factors = file.load("rope_freqs.weight").to(at::kDouble).contiguous().flatten();
  if (factors.numel() != head_dim / 2) {
    throw CheckpointError(str_cat(file.path().string(), ": rope_freqs.weight has ", factors.numel(),
                                  " factors for a head of ", head_dim));
  }
  const auto* values = factors.const_data_ptr<double>();
  scaling.type = RopeScaling::kFactors;
  scaling.factors.assign(values, values + factors.numel());
  for (const auto value : scaling.factors) {
    if (!(value > 1e-6 && value < 1e6)) {
      throw CheckpointError(
          str_cat(file.path().string(), ": rope_freqs.weight: a factor of ", value));
    }
  }
  return scaling;
}

void refuse_what_the_network_has_not(const TensorFile& file, const Metadata& metadata,
                                     const std::vector<TensorSource>& sources) {
  if (metadata.find<std::int64_t>("expert_count").value_or(0) > 0)
    metadata.fail("expert_count: mixtures of experts are not supported");
  std::set<std::string> used;
  for (const auto& source : sources) used.insert(source.source);
  for (const auto& info : file.tensors()) {
    if (used.contains(info.name) || follows_from_configuration(info.name)) continue;
    throw CheckpointError(file.path().string() + ": " + info.name +
                          " has no place in a LLaMA, Mistral or Qwen2 model");
  }
}

}  // namespace

LlamaOptions gguf_geometry(const TensorFile& file) {
  const Metadata metadata(file);
  LlamaOptions options;
  options.heads = metadata.count("attention.head_count");
  options.kv_heads = metadata.count("attention.head_count_kv", options.heads);
  const auto sources = gguf_llama_sources(file);
  refuse_what_the_network_has_not(file, metadata, sources);
  const LanguageShapes shapes(file, sources);
  options.vocabulary = shapes.matrix(part::kEmbedding)[0];
  options.width = metadata.count("embedding_length");
  options.layers = metadata.count("block_count");
  options.mlp_width = metadata.count("feed_forward_length");
  const auto head_dim = metadata.count("attention.key_length", options.width / options.heads);
  for (const char* key : {"attention.value_length", "rope.dimension_count"}) {
    const auto other = metadata.count(key, head_dim);
    if (other != head_dim)
      metadata.fail(str_cat(key, ": ", other, ", but a head has ", head_dim, " columns"));
  }
  options.head_dim = head_dim * options.heads == options.width ? 0 : head_dim;
  options.norm_eps = metadata.get<double>("attention.layer_norm_rms_epsilon");
  options.rope_theta = metadata.find<double>("rope.freq_base").value_or(10000.0);
  options.max_positions = metadata.count("context_length", 2048);
  options.sliding_window = metadata.find<std::int64_t>("attention.sliding_window").value_or(0);
  if (options.sliding_window < 0) metadata.fail("attention.sliding_window is negative");
  options.tied_head = !shapes.contains(part::kHead);
  options.attention_bias = shapes.attention_bias();
  options.rope_scaling = scaling_of(file, metadata, head_dim);
  shapes.check(options, file.path().string());
  return options;
}

}  // namespace medseg
