/// \file
/// Sizes of a language model of the LLaMA family.
#pragma once

#include <cstdint>
#include <vector>

#include "medseg/config/fields.h"

namespace medseg {

/// How rotary frequencies differ from theta^(−2i / head_dim), for texts longer than the model was
/// first trained on.
enum class RopeScaling {
  kNone,
  kLinear,   ///< all divided by `factor`
  kLlama3,   ///< long wavelengths divided, short ones kept (transformers, modeling_rope_utils.py)
  kFactors,  ///< each divided by its own, as in GGUF's rope_freqs
};
template <>
struct Choice<RopeScaling> {
  static constexpr ChoiceNames<RopeScaling, 4> names = {{{RopeScaling::kNone, ""},
                                                         {RopeScaling::kLinear, "linear"},
                                                         {RopeScaling::kLlama3, "llama3"},
                                                         {RopeScaling::kFactors, "factors"}}};
};

struct RopeScalingOptions {
  RopeScaling type = RopeScaling::kNone;
  double factor = 1.0;
  double low_freq_factor = 1.0;                ///< llama3
  double high_freq_factor = 4.0;               ///< llama3
  std::int64_t original_max_positions = 8192;  ///< llama3
  std::vector<double> factors{};               ///< kFactors: head_dim / 2 divisors

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("type", self.type);
    visit("factor", self.factor, at_least(1e-9));
    visit("low_freq_factor", self.low_freq_factor, at_least(1e-9));
    visit("high_freq_factor", self.high_freq_factor, at_least(1e-9));
    visit("original_max_positions", self.original_max_positions, at_least(1));
    visit("factors", self.factors, at_least(1e-9));
  }
};

/// The attention's projections that have a bias, by their letters.
enum class AttentionBias { kNone, kQkv, kQkvo };
template <>
struct Choice<AttentionBias> {
  static constexpr ChoiceNames<AttentionBias, 3> names = {
      {{AttentionBias::kNone, ""}, {AttentionBias::kQkv, "qkv"}, {AttentionBias::kQkvo, "qkvo"}}};
};

struct LlamaOptions {
  std::int64_t vocabulary = 0;  ///< rows of embed_tokens, added tokens included
  std::int64_t width = 0;       ///< D
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;  ///< 0: width / heads
  std::int64_t mlp_width = 0;
  double norm_eps = 1e-5;
  double rope_theta = 10000.0;
  bool tied_head = false;  ///< lm_head is embed_tokens
  std::int64_t max_positions = 2048;
  AttentionBias attention_bias = AttentionBias::kNone;
  std::int64_t sliding_window = 0;  ///< a token sees itself and this many − 1 before it; 0: all
  RopeScalingOptions rope_scaling{};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("vocabulary", self.vocabulary, at_least(1));
    visit("width", self.width, at_least(1));
    visit("layers", self.layers, at_least(1));
    visit("heads", self.heads, at_least(1));
    visit("kv_heads", self.kv_heads, at_least(1));
    visit("head_dim", self.head_dim, at_least(0));
    visit("mlp_width", self.mlp_width, at_least(1));
    visit("norm_eps", self.norm_eps);
    visit("rope_theta", self.rope_theta);
    visit("tied_head", self.tied_head);
    visit("max_positions", self.max_positions, at_least(1));
    visit("attention_bias", self.attention_bias);
    visit("sliding_window", self.sliding_window, at_least(0));
    visit("rope_scaling", self.rope_scaling);
  }
};

}  // namespace medseg
