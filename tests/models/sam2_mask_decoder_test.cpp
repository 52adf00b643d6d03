#include "../../src/models/sam2_mask_decoder.h"

#include <set>
#include <string>

#include <ATen/ATen.h>

#include "golden.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

/// As scripts/reference/export_sam2.py has it.
GroundingOptions tiny() {
  GroundingOptions options;
  options.width = 16;
  options.decoder_heads = 2;
  options.decoder_mlp = 24;
  return options;
}

class Sam2MaskDecoderTest : public ::testing::Test {
 protected:
  void SetUp() override { golden::load(net_, *file_, "weight."); }
  at::Tensor leaf(const std::string& name) const {
    return file_->load(name).clone().set_requires_grad(true);
  }
  CandidateMasks answer(const at::Tensor& image, const at::Tensor& stride4,
                        const at::Tensor& stride8, const at::Tensor& prompts) const {
    const auto rows = [](const at::Tensor& map) { return map.flatten(-2).transpose(-2, -1); };
    const auto cells = rows(image).expand({prompts.size(0), -1, -1}).contiguous();
    const auto fine = net_.fine_maps({.stride4 = stride4, .stride8 = stride8, .stride16 = image});
    return net_.forward(cells, rows(file_->load("positions")).contiguous(), fine, prompts);
  }
  CandidateMasks golden_answer() const {
    return answer(file_->load("image"), file_->load("stride4"), file_->load("stride8"),
                  file_->load("prompts"));
  }

  std::unique_ptr<TensorFile> file_ = golden::open("sam2/decoder.safetensors");
  Sam2MaskDecoder net_{tiny()};
};

TEST_F(Sam2MaskDecoderTest, MasksScoresAndGradientsAreThoseOfTransformers) {
  golden::require_gradients(net_);
  const auto image = leaf("image"), stride4 = leaf("stride4"), stride8 = leaf("stride8"),
             prompts = leaf("prompts");
  const auto out = answer(image, stride4, stride8, prompts);
  EXPECT_TRUE(golden::close(out.mask_logits, file_->load("masks")));
  EXPECT_TRUE(golden::close(out.predicted_iou, file_->load("iou")));
  EXPECT_TRUE(golden::close(out.object_score, file_->load("object")));
  const auto loss = (out.mask_logits * file_->load("cotangent")).sum() + out.object_score.sum() +
                    out.predicted_iou.sum();
  loss.backward();
  EXPECT_TRUE(golden::close(image.grad(), file_->load("grad.image"), 2e-5));
  EXPECT_TRUE(golden::close(stride4.grad(), file_->load("grad.stride4"), 2e-5));
  EXPECT_TRUE(golden::close(stride8.grad(), file_->load("grad.stride8"), 2e-5));
  EXPECT_TRUE(golden::close(prompts.grad(), file_->load("grad.prompts"), 2e-5));
  golden::expect_gradients(net_, *file_, "grad.");
}

TEST_F(Sam2MaskDecoderTest, TheStabilityRuleChoosesAsTransformers) {
  const c10::InferenceMode inference;
  const auto all = golden_answer();
  const auto chosen = stable_or_best(all);
  EXPECT_TRUE(golden::close(chosen.mask_logits, file_->load("stable.masks")));
  EXPECT_TRUE(golden::close(chosen.predicted_iou, file_->load("stable.iou")));
  const auto best = best_of_several(all);
  std::set<bool> replaced;
  for (std::int64_t k = 0; k < all.mask_logits.size(0); ++k)
    replaced.insert(chosen.mask_logits[k].equal(best.mask_logits[k]));
  EXPECT_EQ(replaced.size(), 2U);  // the fixture has both
}

TEST_F(Sam2MaskDecoderTest, AnImageOfItsOwnForEachPromptIsTheSame) {
  const c10::InferenceMode inference;
  const auto shared = golden_answer();
  const auto count = file_->load("prompts").size(0);
  const auto each = [&](const std::string& name) {
    return file_->load(name).expand({count, -1, -1, -1});
  };
  const auto own = answer(each("image"), each("stride4"), each("stride8"), file_->load("prompts"));
  EXPECT_TRUE(golden::close(own.mask_logits, shared.mask_logits, 1e-6));
}

TEST_F(Sam2MaskDecoderTest, Bf16StaysNear) {
  const c10::InferenceMode inference;
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const auto out = golden_answer();
  EXPECT_EQ(out.mask_logits.scalar_type(), at::kFloat);
  EXPECT_TRUE(golden::close(out.mask_logits, file_->load("masks"), 0.06));
}

TEST(StableOrBest, AnEmptyMaskIsStable) {
  CandidateMasks masks{.mask_logits = at::full({1, 4, 4, 4}, -1.0),
                       .predicted_iou = at::tensor({0.1F, 0.2F, 0.9F, 0.3F}).unsqueeze(0),
                       .object_score = at::zeros({1, 1})};
  EXPECT_NEAR(stable_or_best(masks).predicted_iou.item<double>(), 0.1, 1e-6);
  masks.mask_logits.select(1, 0).fill_(0.0);  // between the two thresholds: as unstable as can be
  EXPECT_NEAR(stable_or_best(masks).predicted_iou.item<double>(), 0.9, 1e-6);
}

TEST(BestOfSeveral, NoPromptGivesNoMask) {
  const CandidateMasks none{.mask_logits = at::zeros({0, 4, 8, 8}),
                            .predicted_iou = at::zeros({0, 4}),
                            .object_score = at::zeros({0, 1})};
  EXPECT_EQ(stable_or_best(none).mask_logits.sizes(), (std::vector<std::int64_t>{0, 1, 8, 8}));
}

}  // namespace
}  // namespace medseg
