#include "language_geometry.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

const TensorInfo& info_of_tensor(const TensorFile& file, const std::string& name) {
  const auto& all = file.tensors();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const TensorInfo& info) { return info.name == name; });
  if (found == all.end()) throw CheckpointError(file.path().string() + ": no tensor " + name);
  return *found;
}

template <class T>
T value_of(const TensorFile& file, const std::string& key,
           std::optional<T> otherwise = std::nullopt) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) {
    if (otherwise) return *otherwise;
    throw CheckpointError(file.path().string() + ": " + key + " is missing");
  }
  const auto* value = std::get_if<T>(&found->second);
  if (value == nullptr)
    throw CheckpointError(file.path().string() + ": " + key + " has another type");
  return *value;
}

}  // namespace

LlamaOptions gguf_geometry(const TensorFile& file) {
  const auto architecture = value_of<std::string>(file, "general.architecture");
  if (architecture != "llama") {
    throw CheckpointError(file.path().string() + ": architecture \"" + architecture +
                          "\"; known is llama");
  }
  LlamaOptions options;
  options.vocabulary = info_of_tensor(file, "token_embd.weight").shape.at(0);
  options.width = value_of<std::int64_t>(file, "llama.embedding_length");
  options.layers = value_of<std::int64_t>(file, "llama.block_count");
  options.heads = value_of<std::int64_t>(file, "llama.attention.head_count");
  options.kv_heads = value_of<std::int64_t>(file, "llama.attention.head_count_kv", options.heads);
  options.head_dim = value_of<std::int64_t>(file, "llama.attention.key_length", std::int64_t{0});
  options.mlp_width = value_of<std::int64_t>(file, "llama.feed_forward_length");
  options.norm_eps = value_of<double>(file, "llama.attention.layer_norm_rms_epsilon");
  options.rope_theta = value_of<double>(file, "llama.rope.freq_base", 10000.0);
  options.max_positions = value_of<std::int64_t>(file, "llama.context_length", std::int64_t{2048});
  options.tied_head = !file.contains("output.weight");
  return options;
}

LlamaOptions hugging_face_geometry(const std::filesystem::path& folder, const TensorFile& file) {
  const auto path = folder / "config.json";
  nlohmann::json json;
  try {
    json = parse_json(read_file(path), path.string());
  } catch (const Error& error) {
    throw CheckpointError(error.what());
  }
  const auto number = [&](const char* key, std::optional<double> otherwise = std::nullopt) {
    const auto found = json.find(key);
    if (found != json.end() && found->is_number()) return found->get<double>();
    if (!otherwise) throw CheckpointError(path.string() + ": " + key + " is missing");
    return *otherwise;
  };
  const auto integer = [&](const char* key, std::optional<double> otherwise = std::nullopt) {
    return static_cast<std::int64_t>(number(key, otherwise));
  };
  if (json.contains("rope_scaling") && !json["rope_scaling"].is_null()) {
    throw CheckpointError(path.string() + ": rope_scaling is not supported");
  }
  LlamaOptions options;
  options.vocabulary = info_of_tensor(file, "model.embed_tokens.weight").shape.at(0);
  options.width = integer("hidden_size");
  options.layers = integer("num_hidden_layers");
  options.heads = integer("num_attention_heads");
  options.kv_heads = integer("num_key_value_heads", static_cast<double>(options.heads));
  options.head_dim = integer("head_dim", 0);
  options.mlp_width = integer("intermediate_size");
  options.norm_eps = number("rms_norm_eps", 1e-6);
  options.rope_theta = number("rope_theta", 10000.0);
  options.max_positions = integer("max_position_embeddings", 2048);
  options.tied_head = !file.contains("lm_head.weight");
  return options;
}

}  // namespace medseg
