#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "bench.h"
#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/generation/generate.h"
#include "medseg/models/llama.h"
#include "medseg/nn/precision.h"

namespace medseg {
namespace {

constexpr std::int64_t kPrompt = 512, kAnswer = 64;

/// Dialogues of `batch`, each behind a prompt of random tokens.
class Decoding {
 public:
  Decoding(const Llama& language, std::int64_t batch)
      : language_(language),
        ids_(at::randint(0, language.options().vocabulary, {batch, kPrompt}, at::kLong)),
        caches_(static_cast<std::size_t>(batch), KvCache(language.options().layers)) {}

  void prefill() {
    for (std::size_t r = 0; r < caches_.size(); ++r) {
      caches_[r].truncate(0);
      const auto row = ids_.narrow(0, static_cast<std::int64_t>(r), 1);
      language_.forward(language_.embed(row).to(at::kFloat), &caches_[r]);
    }
  }

  /// Greedy tokens, as an answer takes them.
  void decode() {
    std::vector<KvCache*> all;
    for (auto& cache : caches_) {
      cache.truncate(kPrompt);
      all.push_back(&cache);
    }
    auto next = ids_.select(1, 0);
    for (std::int64_t step = 0; step < kAnswer; ++step) {
      const auto states = language_.decode(language_.embed(next), all);
      next = language_.few_logits(states).argmax(1);
    }
  }

 private:
  const Llama& language_;
  at::Tensor ids_;
  std::vector<KvCache> caches_;
};

}  // namespace

void bench_generate(const Bench& bench, const std::vector<std::string>& bundles) {
  const at::NoGradGuard no_grad;
  for (const auto& path : bundles) {
    for (const std::string precision : {"fp32", "bf16"}) {
      std::optional<OpenBundle> bundle;  // opened for the first measurement that is wanted
      for (const std::int64_t batch : {1, 8}) {
        const auto prefill = str_cat("generate.prefill.batch", batch),
                   decode = str_cat("generate.decode.batch", batch);
        if (!bench.wants(prefill, precision) && !bench.wants(decode, precision)) continue;
        if (!bundle) {
          bundle.emplace(open_bundle(path));
          prepare_for_inference(*bundle, precision_named("--precision", precision));
        }
        Decoding decoding(bundle->model->language(), batch);
        bench.run_once(precision, [&] { decoding.prefill(); });
        bench.measure(prefill, precision, batch * kPrompt, [&] { decoding.prefill(); });
        bench.measure(decode, precision, batch * kAnswer, [&] { decoding.decode(); });
      }
    }
  }
}

}  // namespace medseg
