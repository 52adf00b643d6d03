// One token of several dialogues in one reading of the weights.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/models/llama.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/linear.h"
#include "support/tiny_segmenter.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

LlamaOptions tiny() {
  auto options = tiny_segmenter().language;
  options.tied_head = true;
  return options;
}

LlamaOptions odd_sizes() {  // no width is a multiple of a vector's length
  auto options = tiny();
  options.width = 44;
  options.heads = 4;
  options.kv_heads = 2;
  options.head_dim = 10;
  options.mlp_width = 70;
  options.attention_bias = AttentionBias::kQkv;
  return options;
}

void fill(Llama& llama) {
  const at::NoGradGuard no_grad;
  at::manual_seed(3);
  for (const auto& [name, tensor] : llama.named_parameters())
    if (name.ends_with("bias")) tensor->normal_();
}

/// Three dialogues of other lengths, then `steps` tokens of each on so many threads (0: as many as
/// there are): [rows, steps, D].
at::Tensor decoded(const Llama& llama, const std::vector<std::int64_t>& lengths, std::int64_t steps,
                   const at::Tensor& embeddings, int threads = 0) {
  std::vector<KvCache> caches(lengths.size(), KvCache(llama.options().layers));
  std::vector<KvCache*> all;
  for (std::size_t r = 0; r < lengths.size(); ++r) {
    const auto row = embeddings.narrow(0, static_cast<std::int64_t>(r), 1);
    llama.forward(row.narrow(1, 0, lengths[r]), &caches[r]);
    all.push_back(&caches[r]);
  }
  const int before = at::get_num_threads();
  if (threads > 0) at::set_num_threads(threads);
  std::vector<at::Tensor> states;
  for (std::int64_t step = 0; step < steps; ++step) {
    std::vector<at::Tensor> next;
    for (std::size_t r = 0; r < lengths.size(); ++r)
      next.push_back(embeddings[static_cast<std::int64_t>(r)][lengths[r] + step]);
    states.push_back(llama.decode(at::stack(next), all));
  }
  at::set_num_threads(before);
  return at::stack(states, 1);
}

/// The same states from whole passes.
at::Tensor forwarded(const Llama& llama, const std::vector<std::int64_t>& lengths,
                     std::int64_t steps, const at::Tensor& embeddings) {
  std::vector<at::Tensor> rows;
  for (std::size_t r = 0; r < lengths.size(); ++r) {
    const auto row = embeddings.narrow(0, static_cast<std::int64_t>(r), 1);
    const auto states = llama.forward(row.narrow(1, 0, lengths[r] + steps))[0];
    rows.push_back(states.narrow(0, lengths[r], steps).to(at::kFloat));
  }
  return at::stack(rows);
}

// What lets a step choose its number of threads.
TEST(LlamaDecode, HasTheSameBitsOnOneThreadAndOnSeveral) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    auto options = tiny();
    options.mlp_width = 3000;  // enough work for several threads
    Llama llama(options, dtype);
    fill(llama);
    const at::NoGradGuard no_grad;
    const AutocastScope autocast(at::kCPU, dtype);
    const auto embeddings = at::randn({3, 12, options.width});
    const auto one = decoded(llama, {2, 7, 5}, 3, embeddings, 1);
    EXPECT_TRUE(at::equal(decoded(llama, {2, 7, 5}, 3, embeddings, 4), one)) << dtype;
  }
}

TEST(LlamaDecode, EqualsWholePassesInEverySize) {
  auto windowed = tiny();
  windowed.sliding_window = 5;
  for (const auto& options : {tiny(), odd_sizes(), windowed}) {
    Llama llama(options);
    fill(llama);
    const at::NoGradGuard no_grad;
    const auto embeddings = at::randn({3, 20, options.width});
    const std::vector<std::int64_t> lengths = {3, 11, 7};
    EXPECT_TRUE(golden::close(decoded(llama, lengths, 6, embeddings),
                              forwarded(llama, lengths, 6, embeddings), 2e-5));
  }
}

TEST(LlamaDecode, ARowHasTheSameBitsAloneAndAmongOthers) {
  for (const auto dtype : {at::kFloat, at::kBFloat16}) {
    Llama llama(odd_sizes(), dtype);
    fill(llama);
    const at::NoGradGuard no_grad;
    const AutocastScope autocast(at::kCPU, dtype);
    const auto embeddings = at::randn({11, 20, 44});  // more rows than one reading serves
    const std::vector<std::int64_t> lengths = {3, 11, 7, 5, 5, 2, 9, 10, 4, 6, 8};
    const auto together = decoded(llama, lengths, 4, embeddings);
    for (std::int64_t r = 0; r < 11; ++r) {
      const auto alone =
          decoded(llama, {lengths[static_cast<std::size_t>(r)]}, 4, embeddings.narrow(0, r, 1));
      EXPECT_TRUE(at::equal(alone[0], together[r])) << "row " << r;
      EXPECT_TRUE(at::equal(llama.few_logits(alone[0])[1], llama.few_logits(together[r])[1]));
    }
  }
}

TEST(LlamaDecode, BesideAnAdapterItTakesThePlainPass) {
  Llama llama(tiny());
  const at::NoGradGuard no_grad;
  for (const auto& [name, linear] : llama.modules_of_type<Linear>()) {
    linear->add_adapter(2, 4, 0.0);
    linear->lora_b.normal_();
  }
  const auto embeddings = at::randn({2, 12, 32});
  EXPECT_TRUE(golden::close(decoded(llama, {3, 5}, 4, embeddings),
                            forwarded(llama, {3, 5}, 4, embeddings), 2e-5));
}

TEST(LlamaDecode, BeyondTheLastPositionIsRefused) {
  Llama llama(tiny());
  const at::NoGradGuard no_grad;
  KvCache cache(2);
  llama.forward(at::randn({1, 64, 32}), &cache);
  EXPECT_THAT(
      [&] {
        llama.decode(at::randn({1, 32}), {&cache});
      },
      ThrowsMessage<DataError>(HasSubstr("positions for 64")));
}

}  // namespace
}  // namespace medseg
