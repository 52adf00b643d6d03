#include <memory>
#include <optional>

#include <ATen/ATen.h>

#include "bench.h"
#include "medseg/base/str.h"
#include "medseg/models/llama.h"
#include "medseg/nn/cross_entropy.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/tensor_memory.h"

namespace medseg {
namespace {

// Without a value: bf16.
constexpr std::optional<LowBitType> kPlain, kInt8 = LowBitType::kInt8, kNf4 = LowBitType::kNf4;

struct Size {
  const char* name;
  LlamaOptions options;
  std::int64_t batch, tokens;
};

/// The sizes of SmolLM2-135M (used by the demonstration) and of TinyLlama-1.1B.
std::vector<Size> sizes() {
  return {{"135m",
           {.vocabulary = 49155,
            .width = 576,
            .layers = 30,
            .heads = 9,
            .kv_heads = 3,
            .mlp_width = 1536,
            .tied_head = true},
           8,
           256},
          {"1b",
           {.vocabulary = 32003,
            .width = 2048,
            .layers = 22,
            .heads = 32,
            .kv_heads = 4,
            .mlp_width = 5632},
           2,
           512}};
}

/// Frozen matrices in bf16 or in few bits; adapters of rank 8 on q and v.
std::unique_ptr<Llama> make_model(const LlamaOptions& options, std::optional<LowBitType> storage) {
  auto model = std::make_unique<Llama>(options, at::kBFloat16);
  for (const auto& [name, layer] : model->modules_of_type<Linear>()) {
    if (storage) layer->store_low_bit(*storage, at::kBFloat16);
    if (name.ends_with("q_proj") || name.ends_with("v_proj")) layer->add_adapter(8, 16, 0.05);
  }
  model->train();
  return model;
}

/// As in training, logits are computed for the answer alone, here the last quarter.
void pass(const Llama& model, const at::Tensor& embeddings, const at::Tensor& labels) {
  const auto hidden = model.forward(embeddings);
  const auto width = hidden.size(2), tokens = hidden.size(1);
  const auto answer = hidden.slice(1, tokens - tokens / 4).reshape({-1, width});
  cross_entropy(model.logits(answer), labels).backward();
}

}  // namespace

void bench_language(const Bench& bench) {
  for (const auto& [size, options, batch, tokens] : sizes()) {
    for (const auto storage : {kPlain, kInt8, kNf4}) {
      for (const bool checkpointing : {false, true}) {
        const auto name = str_cat("language.", size, ".", storage ? name_of(*storage) : "bf16", ".",
                                  checkpointing ? "blocks" : "none");
        if (!bench.wants(name, "bf16")) continue;
        at::manual_seed(1);
        const TensorMemory weights;
        const auto model = make_model(options, storage);
        model->checkpoint_layers(checkpointing);
        bench.report(name + ".weights", static_cast<double>(weights.live()) / 1e6, "MB", "bf16");
        const auto embeddings = at::randn({batch, tokens, options.width});
        const auto labels = at::randint(0, options.vocabulary, {batch * (tokens / 4)}, at::kLong);
        bench.measure(name + ".forward_backward", "bf16", batch,
                      [&] { pass(*model, embeddings, labels); });
        const TensorMemory activations;
        bench.run_once("bf16", [&] { pass(*model, embeddings, labels); });
        bench.report(name + ".activations", static_cast<double>(activations.peak()) / 1e6, "MB",
                     "bf16");
      }
    }
  }
}

}  // namespace medseg
