// One token of several dialogues in one reading of the weights. The formulas are LlamaBlock's;
// activations stay float32 whatever the weights' format.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "llama_block.h"
#include "medseg/base/error.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/few_rows.h"
#include "medseg/nn/parallel.h"
#include "medseg/nn/thread_choice.h"

namespace medseg {
namespace {

const Linear& matrix(const LlamaBlock& layer, int index) {
  const Linear* const all[] = {&layer.q(),    &layer.k(),  &layer.v(),   &layer.o(),
                               &layer.gate(), &layer.up(), &layer.down()};
  return *all[index];
}
constexpr int kMatrices = 7;

const float* bias_of(const Linear& linear) {
  return linear.bias.defined() ? linear.bias.const_data_ptr<float>() : nullptr;
}

// A matrix whose rows stand at [first, first + rows) in the outputs of several.
struct Part {
  const Linear* linear;
  std::int64_t first;
};

// y[r] = x[r] Wᵀ + b for several matrices beside each other.
void multiply(const FewRows& x, std::initializer_list<Part> parts, std::int64_t outputs,
              std::vector<float>& y) {
  parallel_for(0, outputs, few_rows_grain(x.rows(), x.width()),
               [&](std::int64_t begin, std::int64_t end) {
                 for (const auto& part : parts) {
                   const auto& weight = part.linear->only_matrix();
                   const auto from = std::max(begin, part.first) - part.first,
                              to = std::min(end - part.first, weight.size(0));
                   if (from >= to) continue;
                   dots(x, weight, bias_of(*part.linear), from, to, y.data() + part.first, outputs);
                 }
               });
}

void normed(const std::vector<float>& x, const at::Tensor& weight, double eps, FewRows& to) {
  const auto width = to.width();
  const float* w = weight.const_data_ptr<float>();
  for (std::int64_t r = 0; r < to.rows(); ++r) {
    const float* row = x.data() + r * width;
    float* out = to.row(r);
    double squares = 0;
    for (std::int64_t i = 0; i < width; ++i) squares += double{row[i]} * double{row[i]};
    const auto factor =
        static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(width) + eps));
    for (std::int64_t i = 0; i < width; ++i) out[i] = row[i] * factor * w[i];
  }
  to.seal();
}

void turn(float* head, const float* cosine, const float* sine, std::int64_t half) {
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = head[i], b = head[half + i];
    head[i] = a * cosine[i] - b * sine[i];
    head[half + i] = b * cosine[i] + a * sine[i];
  }
}

// Writes one head's numbers at a position of a store [1, heads, capacity, width].
void put(const float* from, const at::Tensor& store, std::int64_t head, std::int64_t position) {
  const auto width = store.size(3), at = (head * store.size(2) + position) * width;
  if (store.scalar_type() == at::kBFloat16) {
    auto* to = store.mutable_data_ptr<c10::BFloat16>() + at;
    for (std::int64_t i = 0; i < width; ++i) to[i] = c10::BFloat16(from[i]);
  } else {
    std::memcpy(store.mutable_data_ptr<float>() + at, from,
                static_cast<std::size_t>(width) * sizeof(float));
  }
}

// Where a head's numbers begin.
const void* head_of(const at::Tensor& store, std::int64_t head, std::int64_t first) {
  return static_cast<const char*>(store.const_data_ptr()) +
         (head * store.size(2) + first) * store.size(3) *
             static_cast<std::int64_t>(store.element_size());
}

bool usable(const at::Tensor& store) {
  return store.defined() && store.size(0) == 1 && store.is_contiguous() &&
         store.device().is_cpu() &&
         (store.scalar_type() == at::kFloat || store.scalar_type() == at::kBFloat16);
}

/// The numbers of one step and the work of one layer on them.
class Step {
 public:
  Step(const LlamaOptions& options, const std::vector<KvCache*>& caches, const at::Tensor& cosine,
       const at::Tensor& sine)
      : options_(options),
        caches_(caches),
        rows_(static_cast<std::int64_t>(caches.size())),
        width_(head_dim_of(options)),
        cosine_(cosine.const_data_ptr<float>()),
        sine_(sine.const_data_ptr<float>()),
        wide_(rows_, options.width),
        mixed_(rows_, options.heads * width_),
        hidden_(rows_, options.mlp_width),
        qkv_(static_cast<std::size_t>(rows_ * qkv_width())),
        mlp_(static_cast<std::size_t>(rows_ * 2 * options.mlp_width)),
        added_(static_cast<std::size_t>(rows_ * options.width)) {
    std::int64_t longest = 0;
    for (const auto* cache : caches) longest = std::max(longest, cache->length() + 1);
    scores_stride_ = 2 * longest;
    scores_.resize(static_cast<std::size_t>(rows_ * options.heads * scores_stride_));
  }

  void run(const LlamaBlock& layer, std::int64_t index, std::vector<float>& x) {
    normed(x, layer.input_norm(), options_.norm_eps, wide_);
    const auto keys_at = options_.heads * width_, values_at = keys_at + options_.kv_heads * width_;
    multiply(wide_, {{&layer.q(), 0}, {&layer.k(), keys_at}, {&layer.v(), values_at}}, qkv_width(),
             qkv_);
    attend(index);
    multiply(mixed_, {{&layer.o(), 0}}, options_.width, added_);
    add(x);
    normed(x, layer.mlp_norm(), options_.norm_eps, wide_);
    multiply(wide_, {{&layer.gate(), 0}, {&layer.up(), options_.mlp_width}}, 2 * options_.mlp_width,
             mlp_);
    gate();
    multiply(hidden_, {{&layer.down(), 0}}, options_.width, added_);
    add(x);
  }

 private:
  std::int64_t qkv_width() const { return (options_.heads + 2 * options_.kv_heads) * width_; }

  void attend(std::int64_t index) {
    const auto heads = options_.heads, kv_heads = options_.kv_heads, group = heads / kv_heads;
    std::vector<std::pair<at::Tensor, at::Tensor>> stores;
    for (std::int64_t r = 0; r < rows_; ++r) {
      auto& cache = *caches_[static_cast<std::size_t>(r)];
      stores.push_back(cache.stores_for_one(index));
      const auto position = cache.length();
      const float* c = cosine_ + position * width_ / 2;
      const float* s = sine_ + position * width_ / 2;
      float* row = qkv_.data() + r * qkv_width();
      for (std::int64_t h = 0; h < heads + kv_heads; ++h) turn(row + h * width_, c, s, width_ / 2);
      for (std::int64_t h = 0; h < kv_heads; ++h) {
        put(row + (heads + h) * width_, stores.back().first, h, position);
        put(row + (heads + kv_heads + h) * width_, stores.back().second, h, position);
      }
    }
    parallel_for(0, rows_ * heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) {
        const auto r = i / heads, h = i % heads;
        const auto& [keys, values] = stores[static_cast<std::size_t>(r)];
        const auto seen = caches_[static_cast<std::size_t>(r)]->length() + 1;
        const auto window = options_.sliding_window;
        const auto first = window > 0 ? std::max<std::int64_t>(0, seen - window) : 0;
        attend_to_cache(qkv_.data() + r * qkv_width() + h * width_,
                        {head_of(keys, h / group, first), head_of(values, h / group, first),
                         keys.scalar_type(), seen - first, width_},
                        scores_.data() + i * scores_stride_, mixed_.row(r) + h * width_);
      }
    });
    mixed_.seal();
  }

  void add(std::vector<float>& x) const {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] += added_[i];
  }

  // hidden = silu(g) · u
  void gate() {
    const auto width = options_.mlp_width;
    for (std::int64_t r = 0; r < rows_; ++r) {
      const float* g = mlp_.data() + r * 2 * width;
      gated_silu_row(g, g + width, hidden_.row(r), width);
    }
    hidden_.seal();
  }

  const LlamaOptions& options_;
  const std::vector<KvCache*>& caches_;
  std::int64_t rows_, width_;  // width of a head
  const float *cosine_, *sine_;
  FewRows wide_, mixed_, hidden_;
  std::vector<float> qkv_, mlp_, added_, scores_;
  std::int64_t scores_stride_ = 0;
};

}  // namespace

bool Llama::decodes_in_place(const std::vector<KvCache*>& caches) const {
  if (!cosine_.device().is_cpu()) return false;
  for (auto* cache : caches) {
    const auto [keys, values] = cache->stores_for_one(0);
    if (!usable(keys) || !usable(values)) return false;
  }
  return std::all_of(layers_.begin(), layers_.end(), [](const auto& layer) {
    for (int i = 0; i < kMatrices; ++i) {
      const auto& linear = matrix(*layer, i);
      if (!is_readable_by_rows(linear.only_matrix())) return false;
      if (linear.bias.defined() && linear.bias.scalar_type() != at::kFloat) return false;
    }
    return layer->input_norm().scalar_type() == at::kFloat;
  });
}

at::Tensor Llama::decode(const at::Tensor& embeddings, const std::vector<KvCache*>& caches) const {
  const at::NoGradGuard no_grad;
  MEDSEG_CHECK(
      embeddings.dim() == 2 && embeddings.size(0) == static_cast<std::int64_t>(caches.size()),
      "decode: one row of embeddings for each cache");
  for (const auto* cache : caches) require_positions(cache->length() + 1);
  if (!decodes_in_place(caches)) {
    std::vector<at::Tensor> states;
    for (std::size_t r = 0; r < caches.size(); ++r) {
      const auto row = embeddings.narrow(0, static_cast<std::int64_t>(r), 1).unsqueeze(0);
      states.push_back(forward(row, caches[r]).squeeze(0).to(at::kFloat));
    }
    return at::cat(states);
  }
  const auto input = embeddings.to(at::kFloat).contiguous();
  std::vector<float> x(input.const_data_ptr<float>(),
                       input.const_data_ptr<float>() + input.numel());
  Step step(options_, caches, cosine_, sine_);
  thread_local ThreadChoice threads(at::get_num_threads());
  run_step(threads, [&] {
    for (std::size_t i = 0; i < layers_.size(); ++i)
      step.run(*layers_[i], static_cast<std::int64_t>(i), x);
  });
  for (auto* cache : caches) cache->advance(1);
  const auto states = at::empty_like(input);
  std::memcpy(states.mutable_data_ptr<float>(), x.data(), x.size() * sizeof(float));
  return rms_norm(states, norm_, options_.norm_eps);
}

at::Tensor Llama::few_logits(const at::Tensor& states) const {
  const at::NoGradGuard no_grad;
  const auto& whole = options_.tied_head ? embed_tokens : head;
  if (!is_readable_by_rows(whole)) {
    const auto device = whole.device().type();
    if (whole.scalar_type() != at::kFloat) return logits(states).to(at::kFloat);
    const AutocastScope exact(device, at::kFloat);
    return logits(states.to(at::kFloat));
  }
  if (split_at_ < 0) return few_rows_linear(states, whole);
  const auto& new_rows = options_.tied_head ? new_embed_rows : new_head_rows;
  return at::cat({few_rows_linear(states, whole.detach().slice(0, 0, split_at_)),
                  few_rows_linear(states, new_rows.detach())},
                 1);
}

}  // namespace medseg
