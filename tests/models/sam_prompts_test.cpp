// A whole tiny Sam with every kind of prompt, against segment_anything and transformers' SamModel.
#include "golden.h"
#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/models/sam_vit.h"
#include "medseg/weights/sam_names.h"
#include "tiny_sam.h"

namespace medseg {
namespace {

GroundingOptions tiny() {
  GroundingOptions options;
  options.encoder.set(tiny_sam_vit());
  options.width = 16;
  options.decoder_mlp = 24;
  options.mask_channels = 8;
  return options;
}

class SamPromptsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto weights = golden::open("sam/model.pth");
    const auto report = load_into(net_, *weights, sam_sources(*weights));
    ASSERT_TRUE(report.initialised.empty()) << report.initialised.front();
    ASSERT_TRUE(report.mismatched.empty()) << report.mismatched.front();
    ASSERT_TRUE(report.unused.empty()) << report.unused.front();
  }

  /// The prompt called `name` of the fixture, what it has of it.
  GroundingPrompt prompt(const std::string& name) const {
    const auto get = [&](const char* part) {
      const auto full = name + "." + part;
      return file_->contains(full) ? file_->load(full) : at::Tensor();
    };
    return {.points = get("points"),
            .labels = get("labels"),
            .boxes = get("boxes"),
            .masks = get("masks")};
  }

  std::unique_ptr<TensorFile> file_ = golden::open("sam/prompts.safetensors");
  Grounding net_{tiny()};
};

TEST_F(SamPromptsTest, TheImageEmbeddingIsThatOfBothOriginals) {
  const auto embedding = net_.encoder().forward(file_->load("pixels"));
  EXPECT_TRUE(golden::close(embedding, file_->load("embedding")));
  EXPECT_TRUE(golden::close(embedding, file_->load("hf.embedding")));
}

TEST_F(SamPromptsTest, EveryPromptIsAnsweredAsSegmentAnythingDoes) {
  const auto embedding = file_->load("embedding");
  for (const std::string name :
       {"box", "point", "points", "box_points", "mask", "box_mask", "all"}) {
    const auto out = net_.decode(embedding, prompt(name));
    EXPECT_TRUE(golden::close(out.mask_logits, file_->load(name + ".logits"), 2e-5)) << name;
    EXPECT_TRUE(golden::close(out.predicted_iou, file_->load(name + ".iou"), 2e-5)) << name;
  }
}

TEST_F(SamPromptsTest, SamModelAgreesAboutPoints) {
  const auto out = net_.decode(file_->load("embedding"), prompt("points"));
  EXPECT_TRUE(golden::close(out.mask_logits, file_->load("hf.logits"), 2e-5));
  EXPECT_TRUE(golden::close(out.predicted_iou, file_->load("hf.iou"), 2e-5));
}

TEST_F(SamPromptsTest, PromptsThatFitNothingAreRefused) {
  const auto embedding = file_->load("embedding");
  EXPECT_THROW(net_.decode(embedding, GroundingPrompt{}), c10::Error);
  EXPECT_THROW(net_.decode(embedding, GroundingPrompt{.masks = at::zeros({1, 1, 16, 16})}),
               c10::Error);
}

TEST_F(SamPromptsTest, MasksComeBackToThePictureAsPostprocessMasksDoes) {
  const auto logits = file_->load("post.logits");
  std::size_t sizes = 0;
  for (const auto& [width, height] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{50, 40}, {9, 70}, {1, 1}, {33, 32}}) {
    const double scale = 32.0 / static_cast<double>(std::max(width, height));
    const auto scaled = [&](std::int64_t edge) {
      return std::max<std::int64_t>(
          1, static_cast<std::int64_t>(static_cast<double>(edge) * scale + 0.5));
    };
    const auto expected = file_->load(str_cat("post.", width, "x", height));
    const auto got = upscale_masks(logits, {32, scaled(height), scaled(width), height, width});
    EXPECT_TRUE(golden::close(got, expected.squeeze(1), 1e-6)) << width << "x" << height;
    ++sizes;
  }
  EXPECT_EQ(sizes, 4U);
}

}  // namespace
}  // namespace medseg
