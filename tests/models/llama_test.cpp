#include "medseg/models/llama.h"

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

LlamaOptions tiny(bool tied) {
  return {.vocabulary = 61,
          .width = 32,
          .layers = 2,
          .heads = 4,
          .kv_heads = 2,
          .mlp_width = 48,
          .norm_eps = 1e-5,
          .rope_theta = 1e5,
          .tied_head = tied,
          .max_positions = 64};
}

/// The golden model; the head is the caller's, for in a whole model the Segmenter registers it.
std::unique_ptr<Llama> golden_llama(const TensorFile& file, bool tied) {
  auto llama = std::make_unique<Llama>(tiny(tied));
  golden::load(*llama, file, "weight.model.");
  if (!tied) llama->head = file.load("weight.lm_head.weight").clone();
  return llama;
}

at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& labels) {
  const auto width = logits.size(-1);
  return at::cross_entropy_loss(logits.slice(1, 0, -1).reshape({-1, width}),
                                labels.slice(1, 1).reshape({-1}));
}

class LlamaParity : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Head, LlamaParity, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "tied" : "untied"; });

TEST_P(LlamaParity, StatesLogitsAndGradientsAreThoseOfTransformers) {
  const bool tied = GetParam();
  const auto file =
      golden::open(tied ? "language/llama_tied.safetensors" : "language/llama_untied.safetensors");
  const auto llama = golden_llama(*file, tied);
  golden::require_gradients(*llama);
  if (!tied) llama->head.set_requires_grad(true);
  const auto hidden = llama->forward(llama->embed(file->load("ids")));
  EXPECT_TRUE(golden::close(hidden, file->load("hidden")));
  const auto logits = llama->logits(hidden);
  EXPECT_TRUE(golden::close(logits, file->load("logits")));
  const auto loss = loss_of(logits, file->load("labels"));
  EXPECT_TRUE(golden::close(loss, file->load("loss")));
  loss.backward();
  golden::expect_gradients(*llama, *file, "grad.model.");
  if (!tied)
    EXPECT_TRUE(golden::close(llama->head.grad(), file->load("grad.lm_head.weight"), 2e-5));
}

TEST_P(LlamaParity, CachedStepsEqualThePassOverAll) {
  const bool tied = GetParam();
  const auto file =
      golden::open(tied ? "language/llama_tied.safetensors" : "language/llama_untied.safetensors");
  const auto llama = golden_llama(*file, tied);
  const auto embeddings = llama->embed(file->load("ids"));
  KvCache cache(tiny(tied).layers);
  std::vector<at::Tensor> pieces;
  std::int64_t start = 0;
  for (const std::int64_t length : {4, 1, 1, 3, 2}) {  // prefill, decode, a further question, …
    pieces.push_back(llama->forward(embeddings.narrow(1, start, length), &cache));
    start += length;
  }
  EXPECT_EQ(cache.length(), 11);
  EXPECT_TRUE(golden::close(at::cat(pieces, 1), file->load("hidden")));
  cache.truncate(6);
  const auto again = llama->forward(embeddings.narrow(1, 6, 5), &cache);
  EXPECT_TRUE(golden::close(again, file->load("hidden").narrow(1, 6, 5)));
}

TEST(KvCache, KeepsItsContentWhenItGrows) {
  const auto llama = std::make_unique<Llama>([] {
    auto options = tiny(true);
    options.max_positions = 256;
    return options;
  }());
  const auto embeddings = at::randn({1, 150, 32});
  KvCache cache(2);
  llama->forward(embeddings.narrow(1, 0, 60), &cache);
  for (std::int64_t t = 60; t < 149; ++t) llama->forward(embeddings.narrow(1, t, 1), &cache);
  EXPECT_TRUE(golden::close(llama->forward(embeddings.narrow(1, 149, 1), &cache),
                            llama->forward(embeddings).narrow(1, 149, 1)));
}

TEST(Llama, AdapterIsPeftsLoRa) {
  const auto file = golden::open("language/adapter.safetensors");
  Llama llama(tiny(true));
  for (const auto& [name, layer] : llama.modules_of_type<Linear>()) {
    if (name.ends_with("q_proj") || name.ends_with("v_proj")) layer->add_adapter(4, 12.0, 0.0);
  }
  golden::load(llama, *file, "weight.model.");
  const auto ids = file->load("ids");
  const auto logits = llama.logits(llama.forward(llama.embed(ids)));
  EXPECT_TRUE(golden::close(logits, file->load("logits")));
  loss_of(logits, ids).backward();
  golden::expect_gradients(llama, *file, "grad.model.");

  for (const auto& [name, layer] : llama.modules_of_type<Linear>()) layer->merge_adapter();
  EXPECT_TRUE(golden::close(llama.logits(llama.forward(llama.embed(ids))), file->load("logits")));
}

TEST(Llama, ShorterDialoguesOfABatchAreAsAlone) {
  Llama llama(tiny(true));
  const auto embeddings = at::randn({2, 9, 32});
  const auto alone = llama.forward(embeddings.narrow(0, 1, 1).narrow(1, 0, 5));
  EXPECT_TRUE(golden::close(llama.forward(embeddings).narrow(0, 1, 1).narrow(1, 0, 5), alone));
}

TEST(Llama, RefusesMoreTokensThanPositions) {
  Llama llama(tiny(true));
  EXPECT_THROW(llama.forward(at::randn({1, 65, 32})), DataError);
}

class SplitRows : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Head, SplitRows, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "tied" : "untied"; });

TEST_P(SplitRows, ChangesNothingButWhatTrains) {
  const bool tied = GetParam();
  const auto file =
      golden::open(tied ? "language/llama_tied.safetensors" : "language/llama_untied.safetensors");
  const auto llama = golden_llama(*file, tied);
  constexpr std::int64_t kFirst = 50;
  llama->split_rows(kFirst);
  const auto hidden = llama->forward(llama->embed(file->load("ids")));
  const auto logits = llama->logits(hidden);
  EXPECT_TRUE(golden::close(logits, file->load("logits")));
  loss_of(logits, file->load("labels")).backward();
  EXPECT_FALSE(llama->embed_tokens.grad().defined());
  const auto rows = llama->trainable_rows();
  ASSERT_EQ(rows.size(), tied ? 1U : 2U);
  EXPECT_TRUE(golden::close(rows[0].second->grad(),
                            file->load("grad.model.embed_tokens.weight").slice(0, kFirst), 2e-5));
  if (!tied) {
    EXPECT_TRUE(golden::close(rows[1].second->grad(),
                              file->load("grad.lm_head.weight").slice(0, kFirst), 2e-5));
  }
}

TEST_P(SplitRows, AreWrittenBackAndLeaveOldRowsAlone) {
  Llama llama(tiny(GetParam()));
  const auto before = llama.embed_tokens.clone();
  llama.split_rows(58);
  {
    const at::NoGradGuard no_grad;
    for (const auto& [name, rows] : llama.trainable_rows()) rows->fill_(2.0);
  }
  EXPECT_TRUE(at::equal(llama.embed_tokens, before));
  const auto ids = at::arange(55, 61, at::kLong);
  const auto embedded = llama.embed(ids);
  EXPECT_TRUE(at::equal(embedded, llama.whole_embedding().slice(0, 55)));
  llama.write_back_rows();
  EXPECT_TRUE(at::equal(llama.embed_tokens.slice(0, 0, 58), before.slice(0, 0, 58)));
  EXPECT_TRUE(at::equal(llama.embed_tokens.slice(0, 58), at::full({3, 32}, 2.0)));
  if (!GetParam()) EXPECT_TRUE(at::equal(llama.head.slice(0, 58), at::full({3, 32}, 2.0)));
}

TEST(Llama, TrainsUnderAutocastWithWeightsStoredInBf16) {
  const auto file = golden::open("language/llama_tied.safetensors");
  const auto llama = golden_llama(*file, true);
  for (const auto& [name, layer] : llama->modules_of_type<Linear>()) {
    if (name.ends_with("q_proj")) layer->add_adapter(2, 4.0, 0.0);
  }
  llama->split_rows(50);
  cast_parameters(*llama, at::kBFloat16, is_frozen_matrix);
  EXPECT_EQ(llama->embed_tokens.scalar_type(), at::kBFloat16);
  const AutocastScope scope(at::kCPU, at::kBFloat16);
  const auto hidden = llama->forward(llama->embed(file->load("ids")));
  EXPECT_EQ(hidden.scalar_type(), at::kBFloat16);
  EXPECT_LT(golden::relative_error(hidden, file->load("hidden")), 0.05);
  loss_of(llama->logits(hidden).to(at::kFloat), file->load("labels")).backward();
  EXPECT_LT(golden::relative_error(llama->new_embed_rows.grad(),
                                   file->load("grad.model.embed_tokens.weight").slice(0, 50)),
            0.1);
  for (const auto& [name, layer] : llama->modules_of_type<Linear>()) {
    if (layer->has_adapter())
      EXPECT_GT(layer->lora_b.grad().abs().max().item<float>(), 0.0F) << name;
  }
}

}  // namespace
}  // namespace medseg
