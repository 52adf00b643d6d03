#include "medseg/models/llama.h"

#include <functional>

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/rotary.h"
#include "support/tiny_segmenter.h"

namespace medseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

LlamaOptions tiny(bool tied) {
  auto options = tiny_segmenter().language;  // the golden files were made in its sizes
  options.tied_head = tied;
  return options;
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

/// States, logits, loss and every gradient against those of transformers.
void expect_parity(Llama& llama, const TensorFile& file) {
  golden::require_gradients(llama);
  if (llama.head.defined()) llama.head.set_requires_grad(true);
  const auto hidden = llama.forward(llama.embed(file.load("ids")));
  EXPECT_TRUE(golden::close(hidden, file.load("hidden")));
  const auto logits = llama.logits(hidden);
  EXPECT_TRUE(golden::close(logits, file.load("logits")));
  const auto loss = loss_of(logits, file.load("labels"));
  EXPECT_TRUE(golden::close(loss, file.load("loss")));
  loss.backward();
  golden::expect_gradients(llama, file, "grad.model.");
  if (llama.head.defined())
    EXPECT_TRUE(golden::close(llama.head.grad(), file.load("grad.lm_head.weight"), 2e-5));
}

/// The states of all tokens when they come in pieces of these lengths.
at::Tensor in_pieces(const Llama& llama, const at::Tensor& embeddings,
                     const std::vector<std::int64_t>& lengths, KvCache& cache) {
  std::vector<at::Tensor> pieces;
  for (const auto length : lengths)
    pieces.push_back(llama.forward(embeddings.narrow(1, cache.length(), length), &cache));
  return at::cat(pieces, 1);
}

class LlamaParity : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Head, LlamaParity, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "tied" : "untied"; });

TEST_P(LlamaParity, StatesLogitsAndGradientsAreThoseOfTransformers) {
  const bool tied = GetParam();
  const auto file =
      golden::open(tied ? "language/llama_tied.safetensors" : "language/llama_untied.safetensors");
  expect_parity(*golden_llama(*file, tied), *file);
}

TEST_P(LlamaParity, CachedStepsEqualThePassOverAll) {
  const bool tied = GetParam();
  const auto file =
      golden::open(tied ? "language/llama_tied.safetensors" : "language/llama_untied.safetensors");
  const auto llama = golden_llama(*file, tied);
  const auto embeddings = llama->embed(file->load("ids"));
  KvCache cache(tiny(tied).layers);
  // Prefill, decode, a further question, …
  const auto hidden = in_pieces(*llama, embeddings, {4, 1, 1, 3, 2}, cache);
  EXPECT_EQ(cache.length(), 11);
  EXPECT_TRUE(golden::close(hidden, file->load("hidden")));
  cache.truncate(6);
  const auto again = llama->forward(embeddings.narrow(1, 6, 5), &cache);
  EXPECT_TRUE(golden::close(again, file->load("hidden").narrow(1, 6, 5)));
}

/// The members of the family as scripts/reference/export_language.py makes them.
LlamaOptions variant(const std::string& name) {
  LlamaOptions options = {.vocabulary = 23,
                          .width = 16,
                          .layers = 2,
                          .heads = 4,
                          .kv_heads = 2,
                          .mlp_width = 24,
                          .norm_eps = 1e-5,
                          .rope_theta = 1e4,
                          .max_positions = 64};
  if (name == "qwen2") options.attention_bias = AttentionBias::kQkv;
  if (name == "all_biases") options.attention_bias = AttentionBias::kQkvo;
  if (name == "linear") options.rope_scaling = {.type = RopeScaling::kLinear, .factor = 2.5};
  if (name == "llama3") {
    options.heads = 2;
    options.kv_heads = 1;
    options.head_dim = 12;
    options.rope_scaling = {
        .type = RopeScaling::kLlama3, .factor = 8.0, .original_max_positions = 32};
  }
  if (name == "mistral") {
    options.head_dim = 6;
    options.sliding_window = 5;
  }
  return options;
}

class LlamaVariant : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    llama_ = std::make_unique<Llama>(variant(GetParam()));
    golden::load(*llama_, *file_, "weight.model.");
    llama_->head = file_->load("weight.lm_head.weight").clone();
  }

  std::unique_ptr<TensorFile> file_ =
      golden::open(str_cat("language/", GetParam(), ".safetensors"));
  std::unique_ptr<Llama> llama_;
};
INSTANTIATE_TEST_SUITE_P(Family, LlamaVariant,
                         ::testing::Values("qwen2", "all_biases", "llama3", "linear", "mistral"),
                         [](const auto& info) { return info.param; });

TEST_P(LlamaVariant, StatesLogitsAndGradientsAreThoseOfTransformers) {
  expect_parity(*llama_, *file_);
}

TEST_P(LlamaVariant, CachedStepsEqualThePassOverAll) {
  const auto embeddings = llama_->embed(file_->load("ids"));  // 17 tokens
  const auto hidden = file_->load("hidden");
  for (const auto& lengths :
       std::vector<std::vector<std::int64_t>>{{7, 1, 1, 1, 4, 1, 2}, {2, 9, 6}, {5, 12}, {16, 1}}) {
    KvCache cache(2);
    EXPECT_TRUE(golden::close(in_pieces(*llama_, embeddings, lengths, cache), hidden));
    cache.truncate(6);  // another turn from there
    EXPECT_TRUE(golden::close(in_pieces(*llama_, embeddings, {1, 10}, cache), hidden.slice(1, 6)));
  }
  KvCache one_by_one(2);
  EXPECT_TRUE(golden::close(
      in_pieces(*llama_, embeddings, std::vector<std::int64_t>(17, 1), one_by_one), hidden));
}

TEST_P(LlamaVariant, IsNotPlainLlama) {
  auto options = variant(GetParam());
  options.attention_bias = AttentionBias::kNone;
  options.sliding_window = 0;
  options.rope_scaling = {};
  Llama plain(options);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : plain.named_parameters())
    tensor->copy_(file_->load("weight.model." + name));
  const auto hidden = plain.forward(plain.embed(file_->load("ids")));
  EXPECT_GT(golden::relative_error(hidden, file_->load("hidden")), 1e-3);
}

TEST(Llama, TakesTheFactorOfEachFrequency) {
  const auto file = golden::open("language/llama3.safetensors");
  auto options = variant("llama3");
  const auto plain = rotary_frequencies(12, options.rope_theta);
  const auto scaled =
      llama3_scaled(plain, {.factor = 8.0, .low = 1.0, .high = 4.0, .original_positions = 32});
  const auto factors = plain / scaled;
  EXPECT_EQ(factors[0].item<float>(), 1.0F);  // a short wave stays, a long one is all of 8 longer
  EXPECT_GT(factors[1].item<float>(), 1.0F);
  EXPECT_LT(factors[1].item<float>(), 8.0F);
  EXPECT_FLOAT_EQ(factors[5].item<float>(), 8.0F);
  options.rope_scaling = {.type = RopeScaling::kFactors, .factors = {}};
  for (int i = 0; i < 6; ++i) options.rope_scaling.factors.push_back(factors[i].item<float>());
  Llama llama(options);
  golden::load(llama, *file, "weight.model.");
  const auto hidden = llama.forward(llama.embed(file->load("ids")));
  EXPECT_TRUE(golden::close(hidden, file->load("hidden")));
}

TEST(Llama, NamesAnOptionThatNoModelOfTheFamilyHas) {
  const auto error_of = [](const std::function<void(LlamaOptions&)>& change) -> std::string {
    auto options = variant("llama3");
    change(options);
    try {
      Llama llama(options);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "no error";
  };
  const auto read = [](const char* json) {
    return [json] {
      LlamaOptions options;
      read_options(nlohmann::json::parse(json), options, "language");
    };
  };
  EXPECT_THAT(read(R"({"rope_scaling": {"type": "yarn"}})"),
              ThrowsMessage<ConfigError>(AllOf(
                  HasSubstr("language.rope_scaling.type: unknown \"yarn\""), HasSubstr("llama3"))));
  EXPECT_EQ(error_of([](auto& o) { o.rope_scaling.low_freq_factor = 4; }),
            "language.rope_scaling.low_freq_factor: 4 is not below high_freq_factor 4");
  EXPECT_EQ(error_of([](auto& o) {
              o.rope_scaling = {.type = RopeScaling::kFactors, .factors = {1, 2}};
            }),
            "language.rope_scaling.factors: 2 for a head of 12, expected 6");
  EXPECT_THAT(read(R"({"attention_bias": "q"})"),
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("language.attention_bias: unknown \"q\""), HasSubstr("qkvo"))));
  EXPECT_EQ(error_of([](auto& o) { o.kv_heads = 3; }),
            "language.heads: 2 heads do not share 3 key heads, or a head of 12 is not even");
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

TEST(Llama, PackedDialoguesAreAsAloneWithTheirGradients) {
  for (const std::int64_t window : {0, 4}) {
    auto options = tiny(true);
    options.sliding_window = window == 0 ? options.max_positions : window;
    Llama llama(options);
    for (const bool checkpointed : {false, true}) {
      llama.checkpoint_layers(checkpointed);
      const std::vector<std::int64_t> lengths = {9, 1, 5};
      const auto rows = at::randn({1, 15, 32}).set_requires_grad(true);
      const auto packed = llama.forward_packed(rows, lengths);
      const auto upstream = at::randn(packed.sizes());
      (packed * upstream).sum().backward();
      const auto gradient = rows.grad().clone();
      rows.mutable_grad() = at::Tensor();
      std::int64_t begin = 0;
      for (const auto length : lengths) {
        const auto alone = llama.forward(rows.narrow(1, begin, length));
        EXPECT_TRUE(golden::close(packed.narrow(1, begin, length), alone)) << length;
        (alone * upstream.narrow(1, begin, length)).sum().backward();
        begin += length;
      }
      EXPECT_TRUE(golden::close(gradient, rows.grad(), 2e-5)) << window;
    }
  }
}

TEST(Llama, APackedBatchMustAddUpAndFit) {
  Llama llama(tiny(true));
  const std::vector<std::int64_t> short_of = {4, 5}, too_long = {65, 2};
  EXPECT_THROW(llama.forward_packed(at::randn({1, 10, 32}), short_of), CheckFailed);
  EXPECT_THROW(llama.forward_packed(at::randn({1, 67, 32}), too_long), DataError);
  const std::vector<std::int64_t> fits = {40, 40};  // more rows than positions
  EXPECT_EQ(llama.forward_packed(at::randn({1, 80, 32}), fits).size(1), 80);
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

TEST_P(LlamaVariant, TrainsUnderAutocast) {
  cast_parameters(*llama_, at::kBFloat16, is_frozen_matrix);
  for (const auto& [name, layer] : llama_->modules_of_type<Linear>()) {
    if (name.ends_with("q_proj")) layer->add_adapter(2, 4.0, 0.0);
  }
  const AutocastScope scope(at::kCPU, at::kBFloat16);
  const auto hidden = llama_->forward(llama_->embed(file_->load("ids")));
  EXPECT_LT(golden::relative_error(hidden, file_->load("hidden")), 0.05);
  hidden.to(at::kFloat).sum().backward();
  for (const auto& [name, layer] : llama_->modules_of_type<Linear>()) {
    if (layer->has_adapter())
      EXPECT_GT(layer->lora_b.grad().abs().max().item<float>(), 0.0F) << name;
  }
}

TEST(Llama, IsMadeInBf16WithoutTheRoomOfFp32) {
  const Llama llama(variant("qwen2"), at::kBFloat16);
  EXPECT_EQ(llama.embed_tokens.scalar_type(), at::kBFloat16);
  EXPECT_EQ(llama.head.scalar_type(), at::kBFloat16);
  Llama another(variant("qwen2"), at::kBFloat16);
  for (const auto& [name, tensor] : another.named_parameters()) {
    EXPECT_EQ(tensor->scalar_type(), tensor->dim() == 2 ? at::kBFloat16 : at::kFloat) << name;
  }
  EXPECT_EQ(Linear(3, 4).weight.scalar_type(), at::kFloat);  // made afterwards
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
