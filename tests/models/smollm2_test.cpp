// The published SmolLM2-135M-Instruct against numbers of the Python reader of its GGUF.
#include <cstdlib>
#include <filesystem>

#include "golden.h"
#include "medseg/models/llama.h"
#include "medseg/models/segmenter.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"
#include "medseg/weights/language_names.h"
#include "support/assets.h"

namespace medseg {
namespace {

class SmolLm2Integration : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto path = asset(kSmolLm2);
    if (path.empty()) GTEST_SKIP() << "no GGUF under data/assets";
    const auto file = open_tensor_file(path);
    SegmenterOptions options;  // language only
    options.language = {.vocabulary = 49152,
                        .width = 576,
                        .layers = 30,
                        .heads = 9,
                        .kv_heads = 3,
                        .mlp_width = 1536,
                        .norm_eps = 1e-5,
                        .rope_theta = 1e5,
                        .tied_head = true,
                        .max_positions = 8192};
    options.vision.tower.clear();
    options.grounding.encoder.clear();
    const SkipInitialisation skip;
    model_ = std::make_unique<Segmenter>(options);
    const auto report = load_into(*model_, *file, gguf_llama_sources(*file));
    EXPECT_TRUE(report.unused.empty()) << report.unused[0];
    EXPECT_TRUE(report.initialised.empty()) << report.initialised[0];
    EXPECT_TRUE(report.mismatched.empty()) << report.mismatched[0];
  }

  /// "The capital of France is": logits behind the last token.
  at::Tensor last_logits() const {
    const auto ids = at::tensor({504, 3575, 282, 4649, 314}, at::kLong).unsqueeze(0);
    const at::NoGradGuard no_grad;
    const auto& llama = model_->language();
    return llama.logits(llama.forward(llama.embed(ids)))[0][-1].to(at::kFloat);
  }

  std::unique_ptr<Segmenter> model_;
};

TEST_F(SmolLm2Integration, LogitsAreThoseOfThePythonReader) {
  const auto logits = last_logits();
  const auto expected =
      at::tensor({1.61363, -11.87189, -7.94447, -9.34694, -10.08525, -10.81284, -3.9415, -10.8056});
  EXPECT_LT((logits.slice(0, 0, 8) - expected).abs().max().item<float>(), 2e-4);
  const auto [values, ids] = logits.topk(8);
  EXPECT_TRUE(at::equal(ids, at::tensor({7042, 260, 4528, 2250, 1315, 5145, 216, 441}, at::kLong)));
  const auto best =
      at::tensor({17.37126, 14.88859, 13.24497, 13.00946, 12.95152, 12.90494, 12.7133, 12.69785});
  EXPECT_LT((values - best).abs().max().item<float>(), 2e-4);
}

TEST_F(SmolLm2Integration, Bf16StaysNear) {
  const auto exact = last_logits();
  cast_parameters(*model_, at::kBFloat16, is_frozen_matrix);
  const AutocastScope scope(at::kCPU, at::kBFloat16);
  const auto logits = last_logits();
  EXPECT_EQ(logits.argmax().item<std::int64_t>(), 7042);
  EXPECT_LT(golden::relative_error(logits, exact), 0.05);
}

}  // namespace
}  // namespace medseg
