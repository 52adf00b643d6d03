#include "language_shapes.h"

#include <charconv>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/part_names.h"

namespace medseg {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr std::string_view kLayers = part::kLanguageLayers;

std::string shape_text(const Shape& shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(str_cat(size));
  return "[" + join(sizes, ", ") + "]";
}

/// What layer `index` must hold.
std::map<std::string, Shape> layer_shapes(const LlamaOptions& o, std::int64_t index) {
  const auto q = o.heads * o.head_dim, kv = o.kv_heads * o.head_dim;
  const auto layer = str_cat(kLayers, index, ".");
  const auto attention = layer + "self_attn.";
  std::map<std::string, Shape> shapes = {
      {attention + "q_proj.weight", {q, o.width}},
      {attention + "k_proj.weight", {kv, o.width}},
      {attention + "v_proj.weight", {kv, o.width}},
      {attention + "o_proj.weight", {o.width, q}},
      {layer + "mlp.gate_proj.weight", {o.mlp_width, o.width}},
      {layer + "mlp.up_proj.weight", {o.mlp_width, o.width}},
      {layer + "mlp.down_proj.weight", {o.width, o.mlp_width}},
      {layer + "input_layernorm.weight", {o.width}},
      {layer + "post_attention_layernorm.weight", {o.width}},
  };
  for (const char projection : name_of(o.attention_bias)) {
    const Shape rows = {projection == 'q' ? q : projection == 'o' ? o.width : kv};
    shapes[attention + projection + "_proj.bias"] = rows;
  }
  return shapes;
}

/// 3 of "model.layers.3.…", -1 of a name without a number there.
std::int64_t layer_of(const std::string& name) {
  std::int64_t layer = -1;
  const auto* begin = name.data() + kLayers.size();
  const auto [end, error] = std::from_chars(begin, name.data() + name.size(), layer);
  return error == std::errc{} && end != name.data() + name.size() && *end == '.' ? layer : -1;
}

}  // namespace

LanguageShapes::LanguageShapes(const TensorFile& file, const std::vector<TensorSource>& sources)
    : file_(file.path().string()) {
  std::map<std::string, const TensorInfo*> infos;
  for (const auto& info : file.tensors()) infos[info.name] = &info;
  for (const auto& source : sources) {
    tensors_[source.target] = {source.source, file.path_of(source.source).string(),
                               infos.at(source.source)->shape};
  }
}

const std::vector<std::int64_t>& LanguageShapes::matrix(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) throw CheckpointError(file_ + ": no tensor for " + name);
  if (found->second.shape.size() != 2) {
    throw CheckpointError(str_cat(found->second.file, ": ", found->second.source, " is ",
                                  shape_text(found->second.shape), ", expected a matrix"));
  }
  return found->second.shape;
}

AttentionBias LanguageShapes::attention_bias() const {
  std::string biases;
  for (const char projection : {'q', 'k', 'v', 'o'}) {
    if (contains(str_cat(kLayers, "0.self_attn.", projection, "_proj.bias"))) biases += projection;
  }
  if (const auto known = find_choice<AttentionBias>(biases)) return *known;
  throw CheckpointError(str_cat(file_, ": the attention of layer 0 has biases of ", biases,
                                " alone; known are none, qkv and qkvo"));
}

void LanguageShapes::check(const LlamaOptions& options, const std::string& stated_by) const {
  auto full = options;
  if (full.head_dim == 0) full.head_dim = full.width / full.heads;
  if (full.heads % full.kv_heads != 0 || full.head_dim < 2 || full.head_dim % 2 != 0) {
    throw CheckpointError(str_cat(stated_by, ": ", full.heads, " heads (", full.kv_heads,
                                  " of keys) of ", full.head_dim, " columns are no attention"));
  }
  const auto expect = [&](const std::string& name, const Shape& expected) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      throw CheckpointError(
          str_cat(file_, ": no tensor for ", name, ", though ", stated_by, " asks for it"));
    }
    if (found->second.shape == expected) return;
    throw CheckpointError(
        str_cat(stated_by, ": width ", full.width, ", ", full.heads, " heads (", full.kv_heads,
                " of keys) of ", full.head_dim, ", MLP of ", full.mlp_width, ", vocabulary of ",
                full.vocabulary, ", but ", found->second.file, ": ", found->second.source, " is ",
                shape_text(found->second.shape), ", expected ", shape_text(expected)));
  };
  expect(part::kEmbedding, {full.vocabulary, full.width});
  if (!full.tied_head) expect(part::kHead, {full.vocabulary, full.width});
  expect("model.norm.weight", {full.width});
  for (std::int64_t i = 0; i < full.layers; ++i) {
    for (const auto& [name, shape] : layer_shapes(full, i)) expect(name, shape);
  }
  for (const auto& [name, entry] : tensors_) {
    if (!name.starts_with(kLayers)) continue;
    const auto layer = layer_of(name);
    if (layer >= full.layers) {
      throw CheckpointError(str_cat(stated_by, ": ", full.layers, " layers, but ", entry.file,
                                    " has ", entry.source));
    }
    if (layer < 0 || !layer_shapes(full, layer).contains(name)) {
      throw CheckpointError(str_cat(entry.file, ": ", entry.source,
                                    " has no place in a LLaMA, Mistral or Qwen2 layer"));
    }
  }
}

}  // namespace medseg
