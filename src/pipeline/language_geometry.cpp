#include "language_geometry.h"

#include <algorithm>
#include <cmath>

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

struct LayerNames {
  std::string embedding, query, key, gate;
};

// What the metadata state must be what the tensors are: sizes are allocated before the first tensor is read.
void check_against_shapes(const LlamaOptions& options, const TensorFile& file,
                          const LayerNames& names) {
  const auto fail = [&](const std::string& what) {
    throw CheckpointError(file.path().string() + ": " + what);
  };
  constexpr std::int64_t kLargest = 1 << 24;
  for (const auto& [name, value] : {std::pair{"width", options.width},
                                    {"layers", options.layers},
                                    {"heads", options.heads},
                                    {"key-value heads", options.kv_heads},
                                    {"MLP width", options.mlp_width},
                                    {"positions", options.max_positions}}) {
    if (value < 1 || value > kLargest) fail(str(name, ": ", value, ", expected 1 to ", kLargest));
  }
  if (options.head_dim < 0 || options.head_dim > kLargest)
    fail(str("head width ", options.head_dim));
  if (options.heads % options.kv_heads != 0)
    fail(str(options.heads, " heads do not share ", options.kv_heads, " key-value heads evenly"));
  if (options.head_dim == 0 && options.width % options.heads != 0)
    fail(str("a width of ", options.width, " cannot be cut into ", options.heads, " heads"));
  if (static_cast<std::uint64_t>(options.layers) > file.tensors().size())
    fail(str(options.layers, " layers, but only ", file.tensors().size(), " tensors"));
  const auto head = options.head_dim > 0 ? options.head_dim : options.width / options.heads;
  const auto expect = [&](const std::string& name, std::int64_t rows) {
    const auto& shape = info_of_tensor(file, name).shape;
    if (shape != std::vector<std::int64_t>{rows, options.width}) {
      std::vector<std::string> sizes;
      for (const auto size : shape) sizes.push_back(str(size));
      fail(str(name, ": [", join(sizes, ", "), "], but the stated sizes ask for [", rows, ", ",
               options.width, "]"));
    }
  };
  expect(names.embedding, options.vocabulary);
  expect(names.query, options.heads * head);
  expect(names.key, options.kv_heads * head);
  expect(names.gate, options.mlp_width);
}

// Rows of the embedding, whatever the metadata say.
std::int64_t vocabulary_of(const TensorFile& file, const std::string& embedding) {
  const auto& shape = info_of_tensor(file, embedding).shape;
  if (shape.size() != 2)
    throw CheckpointError(file.path().string() + ": " + embedding + " is no matrix");
  return shape[0];
}

}  // namespace

LlamaOptions gguf_geometry(const TensorFile& file) {
  const auto architecture = value_of<std::string>(file, "general.architecture");
  if (architecture != "llama") {
    throw CheckpointError(file.path().string() + ": architecture \"" + architecture +
                          "\"; known is llama");
  }
  LlamaOptions options;
  options.vocabulary = vocabulary_of(file, "token_embd.weight");
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
  check_against_shapes(options, file,
                       {.embedding = "token_embd.weight",
                        .query = "blk.0.attn_q.weight",
                        .key = "blk.0.attn_k.weight",
                        .gate = "blk.0.ffn_gate.weight"});
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
    const double value = number(key, otherwise);
    if (!(std::abs(value) < 1e15))
      throw CheckpointError(str(path.string(), ": ", key, ": ", value, " is no size"));
    return static_cast<std::int64_t>(value);
  };
  if (json.contains("rope_scaling") && !json["rope_scaling"].is_null()) {
    throw CheckpointError(path.string() + ": rope_scaling is not supported");
  }
  LlamaOptions options;
  options.vocabulary = vocabulary_of(file, "model.embed_tokens.weight");
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
  const std::string layer = "model.layers.0.";
  check_against_shapes(options, file,
                       {.embedding = "model.embed_tokens.weight",
                        .query = layer + "self_attn.q_proj.weight",
                        .key = layer + "self_attn.k_proj.weight",
                        .gate = layer + "mlp.gate_proj.weight"});
  return options;
}

}  // namespace medseg
