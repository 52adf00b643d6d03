#include "medseg/weights/language_names.h"

#include <map>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/constants.py
const std::map<std::string, std::string>& gguf_names() {
  static const std::map<std::string, std::string> table = {
      {"token_embd.weight", "model.embed_tokens.weight"},
      {"output_norm.weight", "model.norm.weight"},
      {"output.weight", "lm_head.weight"},
  };
  return table;
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

// The architectures that can be read, and whether their converter permutes q and k.
const std::map<std::string, bool>& permuted_architectures() {
  static const std::map<std::string, bool> table = {{"llama", true}, {"qwen2", false}};
  return table;
}

std::int64_t heads_of(const TensorFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  const auto* value =
      found == file.metadata().end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  if (value == nullptr || *value < 1)
    throw CheckpointError(file.path().string(), str_cat(key, " is missing"));
  return *value;
}

// llama.cpp's converter interleaves the two halves of each head's rows; this undoes it
// (src/README.md, choice 21).
at::Tensor unpermute_rows(const at::Tensor& rows, std::int64_t heads) {
  if (rows.dim() < 1 || rows.dim() > 2 || rows.numel() == 0 || heads > rows.size(0) ||
      rows.size(0) % (2 * heads) != 0) {
    throw CheckpointError(
        str_cat("a q or k matrix ", rows.sizes(), " does not hold ", heads, " heads"));
  }
  return rows.reshape({heads, rows.size(0) / heads / 2, 2, -1})
      .transpose(1, 2)
      .reshape(rows.sizes());
}

std::string architecture_of(const TensorFile& file) {
  const auto found = file.metadata().find("general.architecture");
  const auto* name =
      found == file.metadata().end() ? nullptr : std::get_if<std::string>(&found->second);
  // Unknown architectures are refused by the reader of the geometry.
  return name == nullptr ? "llama" : *name;
}

}  // namespace

std::vector<TensorSource> gguf_llama_sources(const TensorFile& file) {
  const auto architecture = architecture_of(file);
  const auto permuted = permuted_architectures().find(architecture);
  const bool permutes = permuted == permuted_architectures().end() || permuted->second;
  const auto head_count = architecture + ".attention.head_count";
  const auto heads = heads_of(file, head_count);
  const auto kv_heads =
      file.metadata().contains(head_count + "_kv") ? heads_of(file, head_count + "_kv") : heads;
  std::vector<TensorSource> sources;
  for (const auto& info : file.tensors()) {
    if (const auto found = gguf_names().find(info.name); found != gguf_names().end()) {
      sources.push_back({found->second, info.name, {}});
      continue;
    }
    const auto parts = split(info.name, '.');  // blk.3.attn_q.weight
    if (parts.size() != 4 || parts[0] != "blk" || !gguf_block_names().contains(parts[2])) continue;
    TensorSource source{
        "model.layers." + parts[1] + "." + gguf_block_names().at(parts[2]) + "." + parts[3],
        info.name,
        {}};
    if (permutes && (parts[2] == "attn_q" || parts[2] == "attn_k")) {
      const auto rows_of = parts[2] == "attn_q" ? heads : kv_heads;
      source.change = [rows_of](const at::Tensor& rows) { return unpermute_rows(rows, rows_of); };
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

std::vector<TensorSource> hugging_face_llama_sources(const TensorFile& file, bool tied) {
  auto sources = plain_sources(file);
  std::erase_if(sources, [&](const TensorSource& source) {
    return follows_from_configuration(source.source) || (tied && source.target == "lm_head.weight");
  });
  return sources;
}

bool follows_from_configuration(const std::string& name) {
  return name.ends_with(".rotary_emb.inv_freq") || name == "rope_freqs.weight" ||
         name.ends_with(".attn_rot_embd.weight");
}

}  // namespace medseg
