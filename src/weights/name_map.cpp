#include "medseg/weights/name_map.h"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

std::int64_t count_of(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  const auto* value =
      found == file.metadata().end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  if (value == nullptr || *value < 1)
    throw CheckpointError(file.path().string() + ": " + key + " is missing");
  return *value;
}

// llama's converter interleaves the two halves of each head's rows; put them back (semantics 21).
at::Tensor unpermute_rows(const at::Tensor& weight, std::int64_t heads) {
  if (weight.dim() != 2 || weight.size(0) % (2 * heads) != 0) {
    throw CheckpointError(
        medseg::str("a q or k matrix ", weight.sizes(), " does not hold ", heads, " heads"));
  }
  const auto rows = weight.size(0), columns = weight.size(1);
  return weight.reshape({heads, rows / heads / 2, 2, columns})
      .transpose(1, 2)
      .reshape({rows, columns});
}

at::Tensor transposed(const at::Tensor& weight) {
  if (weight.dim() != 2)
    throw CheckpointError(medseg::str("a matrix is expected, got ", weight.sizes()));
  return weight.t();
}

const std::map<std::string, std::string>& gguf_block_names() {
  static const std::map<std::string, std::string> table = {
      {"attn_norm", "input_layernorm"}, {"ffn_norm", "post_attention_layernorm"},
      {"attn_q", "self_attn.q_proj"},   {"attn_k", "self_attn.k_proj"},
      {"attn_v", "self_attn.v_proj"},   {"attn_output", "self_attn.o_proj"},
      {"ffn_gate", "mlp.gate_proj"},    {"ffn_up", "mlp.up_proj"},
      {"ffn_down", "mlp.down_proj"},
  };
  return table;
}

}  // namespace

std::vector<TensorSource> gguf_llama_sources(const TensorFile& file) {
  const auto heads = count_of(file, "llama.attention.head_count");
  const auto kv_heads = count_of(file, "llama.attention.head_count_kv");
  std::vector<TensorSource> sources;
  for (const auto& info : file.tensors()) {
    const auto parts = split(info.name, '.');  // blk.3.attn_q.weight
    if (info.name == "token_embd.weight") {
      sources.push_back({"model.embed_tokens.weight", info.name, {}});
    } else if (info.name == "output_norm.weight") {
      sources.push_back({"model.norm.weight", info.name, {}});
    } else if (info.name == "output.weight") {
      sources.push_back({"lm_head.weight", info.name, {}});
    } else if (parts.size() == 4 && parts[0] == "blk" && gguf_block_names().contains(parts[2])) {
      TensorSource source{
          "model.layers." + parts[1] + "." + gguf_block_names().at(parts[2]) + "." + parts[3],
          info.name,
          {}};
      if (parts[2] == "attn_q" || parts[2] == "attn_k") {
        const auto rows_of = parts[2] == "attn_q" ? heads : kv_heads;
        source.change = [rows_of](const at::Tensor& weight) {
          return unpermute_rows(weight, rows_of);
        };
      }
      sources.push_back(std::move(source));
    }
  }
  return sources;
}

std::vector<TensorSource> onnx_dinov2_sources(const TensorFile& file) {
  const std::string backbone = "backbone.";
  const auto links = file.metadata().find("graph.matmul_add");
  if (links == file.metadata().end())
    throw CheckpointError(file.path().string() + ": not an ONNX graph");
  std::vector<TensorSource> sources;
  const auto& pairs = std::get<std::vector<std::string>>(links->second);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto& bias = pairs[i + 1];
    if (!bias.starts_with(backbone) || !bias.ends_with(".bias")) continue;
    const auto name =
        bias.substr(backbone.size(), bias.size() - backbone.size() - std::string("bias").size());
    sources.push_back({name + "weight", pairs[i], [](const at::Tensor& weight) {
                         return transposed(weight);
                       }});  // stored [in, out]
  }
  std::string class_position;
  at::Tensor patch_positions;
  for (const auto& info : file.tensors()) {
    if (info.name.starts_with(backbone))
      sources.push_back({info.name.substr(backbone.size()), info.name, {}});
    if (info.name.starts_with("onnx::Concat") && info.shape.size() == 3 && info.shape[1] == 1)
      class_position = info.name;
    if (info.name.starts_with("onnx::Reshape") && info.shape.size() == 3)
      patch_positions = file.load(info.name);
  }
  if (class_position.empty() || !patch_positions.defined()) {
    throw CheckpointError(file.path().string() + ": no position embeddings of a DINOv2 export");
  }
  sources.push_back({"embeddings.position_embeddings", class_position,
                     [patch_positions](const at::Tensor& position) {
                       if (position.size(2) != patch_positions.size(2))
                         throw CheckpointError("positions of two widths");
                       return at::cat({position, patch_positions}, 1);
                     }});
  return sources;
}

std::vector<TensorSource> plain_sources(const TensorFile& file, const std::string& prefix) {
  std::vector<TensorSource> sources;
  for (const auto& info : file.tensors()) {
    if (info.name.starts_with(prefix))
      sources.push_back({info.name.substr(prefix.size()), info.name, {}});
  }
  return sources;
}

LoadReport load_into(Module& module, const TensorFile& file,
                     const std::vector<TensorSource>& sources, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  LoadReport report;
  std::map<std::string, at::Tensor*> wanted;
  for (const auto& [name, tensor] : module.named_parameters()) wanted[name] = tensor;
  for (const auto& [name, tensor] : module.named_buffers()) wanted[name] = tensor;
  std::set<std::string> filled, used;
  for (const auto& source : sources) {
    const auto target = prefix + source.target;
    const auto found = wanted.find(target);
    if (found == wanted.end()) continue;
    auto value = file.load(source.source);
    try {
      if (source.change) value = source.change(value);
    } catch (const CheckpointError& error) {
      throw CheckpointError(file.path().string() + ": " + source.source + ": " + error.what());
    }
    used.insert(source.source);
    filled.insert(target);
    auto& parameter = *found->second;
    if (value.sizes() != parameter.sizes()) {
      report.mismatched.push_back(
          medseg::str(target, ": file ", value.sizes(), ", model ", parameter.sizes()));
      continue;
    }
    parameter.copy_(value);
    report.loaded.push_back(target);
  }
  for (const auto& [name, tensor] : wanted) {
    if (!filled.contains(name)) report.initialised.push_back(name);
  }
  for (const auto& info : file.tensors()) {
    if (!used.contains(info.name)) report.unused.push_back(info.name);
  }
  return report;
}

}  // namespace medseg
