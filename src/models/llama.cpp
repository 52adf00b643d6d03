#include "medseg/models/llama.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

#include "llama_block.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/activation_checkpoint.h"
#include "medseg/nn/attention.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/rotary.h"

namespace medseg {
namespace {

constexpr double kEmbeddingDeviation = 0.02;  // of transformers' untrained models

void check(const LlamaOptions& options) {
  if (options.heads % options.kv_heads != 0 || head_dim_of(options) % 2 != 0) {
    throw ConfigError(str_cat("language.heads: ", options.heads, " heads do not share ",
                              options.kv_heads, " key heads, or a head of ", head_dim_of(options),
                              " is not even"));
  }
}

/// [head_dim / 2]
at::Tensor frequencies_of(const LlamaOptions& options) {
  const auto head_dim = head_dim_of(options);
  const auto& scaling = options.rope_scaling;
  const auto plain = rotary_frequencies(head_dim, options.rope_theta);
  if (scaling.type == RopeScaling::kNone) return plain;
  if (scaling.type == RopeScaling::kLinear) return plain / scaling.factor;
  if (scaling.type == RopeScaling::kLlama3) {
    if (!(scaling.low_freq_factor < scaling.high_freq_factor)) {
      throw ConfigError(str_cat("language.rope_scaling.low_freq_factor: ", scaling.low_freq_factor,
                                " is not below high_freq_factor ", scaling.high_freq_factor));
    }
    return llama3_scaled(plain, {.factor = scaling.factor,
                                 .low = scaling.low_freq_factor,
                                 .high = scaling.high_freq_factor,
                                 .original_positions = scaling.original_max_positions});
  }
  if (static_cast<std::int64_t>(scaling.factors.size()) != head_dim / 2) {
    throw ConfigError(str_cat("language.rope_scaling.factors: ", scaling.factors.size(),
                              " for a head of ", head_dim, ", expected ", head_dim / 2));
  }
  return plain / at::tensor(scaling.factors, at::kFloat);
}

bool trains(Module& module) {
  const auto parameters = module.named_parameters();
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const auto& named) { return named.second->requires_grad(); });
}

}  // namespace

Llama::Llama(const LlamaOptions& options, at::ScalarType matrices) : options_(options) {
  check(options);
  const MatrixDtype dtype(matrices);
  register_parameter("embed_tokens.weight", embed_tokens,
                     normal_parameter({options.vocabulary, options.width}, kEmbeddingDeviation));
  if (!options.tied_head) {
    head = normal_parameter({options.vocabulary, options.width}, kEmbeddingDeviation);
  }
  for (std::int64_t i = 0; i < options.layers; ++i) {
    layers_.push_back(std::make_unique<LlamaBlock>(options, i));
    register_module(str_cat("layers.", i), *layers_.back());
  }
  register_parameter("norm.weight", norm_, constant_parameter({options.width}, 1.0));
  const RotaryTables tables(options.max_positions, frequencies_of(options));
  cosine_ = tables.cosine;
  sine_ = tables.sine;
}

Llama::~Llama() = default;

void Llama::move_constants(at::Device device) {
  cosine_ = cosine_.to(device);
  sine_ = sine_.to(device);
}

void Llama::require_positions(std::int64_t tokens) const {
  if (tokens <= options_.max_positions) return;
  throw DataError(str_cat("dialogue: ", tokens,
                          " tokens with its images, the language model has positions for ",
                          options_.max_positions));
}

at::Tensor Llama::forward(const at::Tensor& embeddings, KvCache* past) const {
  const auto T = embeddings.size(1);
  const auto start = past != nullptr ? past->length() : 0;
  const auto end = start + T;
  require_positions(end);
  const auto device = embeddings.device();
  const auto window = end > options_.sliding_window ? options_.sliding_window : 0;
  Pass pass{.cosine = cosine_.slice(0, start, end).to(device),
            .sine = sine_.slice(0, start, end).to(device),
            .mask = {},
            .causal = T > 1 && start == 0 && window == 0,
            .window = window,
            .past = past};
  if (T > 1 && !pass.causal) pass.mask = causal_mask(T, start, window, device);
  auto states = run(embeddings, pass);
  if (past != nullptr) past->advance(T);
  return states;
}

at::Tensor Llama::forward_packed(const at::Tensor& rows,
                                 const std::vector<std::int64_t>& lengths) const {
  MEDSEG_CHECK(rows.size(0) == 1 && !lengths.empty() &&
                   std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0}) == rows.size(1),
               "lengths of a packed batch do not add up to its rows");
  if (lengths.size() == 1) return forward(rows);
  const auto longest = *std::max_element(lengths.begin(), lengths.end());
  require_positions(longest);
  const auto device = rows.device();
  const auto tables = [&](const at::Tensor& table) {
    std::vector<at::Tensor> parts;
    for (const auto length : lengths) parts.push_back(table.slice(0, 0, length));
    return at::cat(parts).to(device);
  };
  const auto window = longest > options_.sliding_window ? options_.sliding_window : 0;
  Pass pass{.cosine = tables(cosine_),
            .sine = tables(sine_),
            .mask = {},
            .causal = window == 0,
            .window = window,
            .lengths = lengths};
  if (window > 0) pass.mask = causal_mask(longest, 0, window, device);
  return run(rows, pass);
}

at::Tensor Llama::run(const at::Tensor& embeddings, const Pass& pass) const {
  auto x = embeddings.to(compute_dtype(embeddings));
  for (const auto& layer : layers_) {
    if (checkpoints_layers_ && pass.past == nullptr) {
      const auto block = [&one = *layer, pass](const at::Tensor& in) {
        return one.forward(in, pass);
      };
      x = checkpointed(block, x, trains(*layer));
    } else {
      x = layer->forward(x, pass);
    }
  }
  return rms_norm(x, norm_, options_.norm_eps);
}

}  // namespace medseg
