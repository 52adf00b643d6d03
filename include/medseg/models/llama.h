/// \file
/// The LLaMA family: RMSNorm, rotary positions, grouped-query attention, gated SiLU MLP. With
/// biases it is Qwen2, with a window Mistral, with scaled rotary frequencies Llama 3. Source:
/// transformers modeling_{llama,mistral,qwen2}; LLaMA (arXiv 2302.13971), GQA (arXiv 2305.13245).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "medseg/models/llama_options.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/module.h"

namespace medseg {

/// Keys and values of the tokens seen so far, one pair a layer, grown by doubling; without
/// gradients. One sequence (B = 1) or a batch whose sequences advance together.
class KvCache {
 public:
  explicit KvCache(std::int64_t layers)
      : keys_(static_cast<std::size_t>(layers)), values_(keys_.size()) {}

  std::int64_t length() const { return length_; }

  /// Appends [B, kv_heads, T, head_dim] and returns views of all that is stored, this call's
  /// included.
  std::pair<at::Tensor, at::Tensor> append(std::int64_t layer, const at::Tensor& keys,
                                           const at::Tensor& values);
  /// The whole stores of a layer, [B, kv_heads, capacity, head_dim], with room for one token at
  /// position length(); undefined before the first append. For passes that write in place.
  std::pair<at::Tensor, at::Tensor> stores_for_one(std::int64_t layer);
  /// Called once after all layers saw T new tokens.
  void advance(std::int64_t tokens) { length_ += tokens; }
  /// Forgets the tail: the next token has position `length`.
  void truncate(std::int64_t length) { length_ = length; }

 private:
  std::vector<at::Tensor> keys_, values_;
  std::int64_t length_ = 0;
};

class LlamaBlock;

/// Keys: embed_tokens.weight, layers.i.{self_attn.{q,k,v,o}_proj,mlp.{gate,up,down}_proj,
/// input_layernorm,post_attention_layernorm}.weight, norm.weight;
/// layers.i.self_attn.{q,k,v,o}_proj.bias as `attention_bias` says.
/// (`lm_head.weight` is the Segmenter's, beside `model.`)
class Llama : public Module {
 public:
  /// `matrices` is the dtype that weight matrices are made in; vectors (norms, biases) are always
  /// fp32.
  /// \throws ConfigError "language.…" on options that contradict each other.
  explicit Llama(const LlamaOptions& options, at::ScalarType matrices = at::kFloat);
  ~Llama() override;

  const LlamaOptions& options() const { return options_; }
  void move_constants(at::Device device) override;

  at::Tensor embed(const at::Tensor& ids) const;  ///< [...] int64 -> [..., D]

  /// `embeddings` [B, T, D] at positions past.length() … ; causal. Right padding needs no mask: a
  /// causal token never sees what follows it. Returns the state after the final norm,
  /// [B, T, D]; under autocast in its dtype (so is the residual stream; norms, rotary and the gate
  /// compute in fp32).
  /// \throws DataError beyond max_positions.
  at::Tensor forward(const at::Tensor& embeddings, KvCache* past = nullptr) const;

  /// One more token of several dialogues, each with a cache of its own that is not empty:
  /// `embeddings` [R, D]; row r continues *caches[r]. Returns the states after the final norm,
  /// [R, D] float32. Without gradients.
  ///
  /// Where every matrix lies plainly in the CPU's memory (no adapter beside it, not in few bits),
  /// each weight is read once for all rows, activations stay float32, and a row has the same bits
  /// whatever the other rows are. Elsewhere each row takes `forward`.
  /// \throws DataError beyond max_positions.
  at::Tensor decode(const at::Tensor& embeddings, const std::vector<KvCache*>& caches) const;

  /// A batch without padding: `rows` [1, R, D] holds dialogues of `lengths` one behind the other,
  /// each at positions from 0 and blind to the others. The same states as those of each alone,
  /// [1, R, D]; nothing is computed for padding.
  at::Tensor forward_packed(const at::Tensor& rows, const std::vector<std::int64_t>& lengths) const;

  /// Activation checkpointing: from now on a decoder layer keeps only its input for the gradient
  /// and runs again in the backward pass. The gradients are the same bits, a pass takes a third
  /// more time, and only one layer's activations are in memory at a time. Passes without gradients,
  /// and layers that no gradient passes through, stay as they are.
  void checkpoint_layers(bool on) { checkpoints_layers_ = on; }

  /// [..., D] -> [..., V] with embed_tokens (tied) or `head`.
  at::Tensor logits(const at::Tensor& hidden) const;
  /// The same for a few states [R, D], in float32 outside of autocast: [R, V]. A row has the same
  /// bits whatever the other rows are. Without gradients.
  at::Tensor few_logits(const at::Tensor& states) const;

  /// Rows from `first` on are trained as a leaf of their own; the old rows cannot move (also not by
  /// weight decay). write_back_rows() copies them into the weights before saving.
  void split_rows(std::int64_t first);
  void write_back_rows();
  std::int64_t split_at() const { return split_at_; }  ///< -1: not split
  /// The leaves of split_rows as ("embed_tokens.new_rows", tensor) and, with a head of its own,
  /// ("head.new_rows", …). named_parameters() keeps naming the whole matrices, which hold the old
  /// values until write_back_rows().
  std::vector<std::pair<std::string, at::Tensor*>> trainable_rows();
  /// The whole matrix with the trained rows in place, in the dtype of the matrix; the model is not
  /// touched.
  at::Tensor whole_embedding() const;
  at::Tensor whole_head() const;  ///< \pre not tied

  at::Tensor embed_tokens;  ///< [V, D]; registered as embed_tokens.weight
  at::Tensor head;  ///< [V, D]; undefined when tied; registered by the Segmenter as lm_head.weight
  /// Leaves made by split_rows; not saved under their own names.
  at::Tensor new_embed_rows, new_head_rows;

 private:
  struct Pass;
  friend class LlamaBlock;
  bool decodes_in_place(const std::vector<KvCache*>& caches) const;
  void require_positions(std::int64_t tokens) const;
  at::Tensor run(const at::Tensor& embeddings, const Pass& pass) const;

  LlamaOptions options_;
  std::vector<std::unique_ptr<LlamaBlock>> layers_;
  at::Tensor norm_;
  at::Tensor cosine_, sine_;  // [max_positions, head_dim / 2] float32
  std::int64_t split_at_ = -1;
  bool checkpoints_layers_ = false;
};

}  // namespace medseg
