#include "medseg/models/grounding.h"

#include <nlohmann/json.hpp>

#include "../../src/models/prompt_encoder.h"
#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/models/tiny_vit.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

// The encoder is not tested here: any with a grid of 8 will do.
GroundingOptions tiny() {
  GroundingOptions options;
  options.encoder.set(TinyVitOptions{.image_size = 32,
                                     .widths = {8, 8, 8, 8},
                                     .depths = {1, 1, 1, 1},
                                     .heads = {1, 1, 1, 1},
                                     .windows = {4, 4, 4, 4}});
  options.width = 32;
  options.decoder_heads = 4;
  options.decoder_mlp = 48;
  options.mask_channels = 8;
  return options;
}

class GroundingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    at::manual_seed(1);
    const at::NoGradGuard no_grad;
    auto all = net_.named_parameters();
    for (const auto& buffer : net_.named_buffers()) all.push_back(buffer);
    std::size_t loaded = 0;
    for (const auto& [name, tensor] : all) {
      if (name.starts_with("image_encoder.")) continue;
      tensor->copy_(file_->load("weight." + name));
      ++loaded;
    }
    std::size_t stored = 0;
    for (const auto& info : file_->tensors()) stored += info.name.starts_with("weight.") ? 1 : 0;
    ASSERT_EQ(loaded, stored);
  }

  std::unique_ptr<TensorFile> file_ = golden::open("grounding/decoder.safetensors");
  Grounding net_{tiny()};
};

TEST_F(GroundingTest, TextPromptsAndGradientsAreThoseOfSegmentAnything) {
  for (const auto& [name, tensor] : net_.named_parameters())
    tensor->set_requires_grad(name.starts_with("mask_decoder."));
  auto image = file_->load("image").clone().set_requires_grad(true);
  auto prompts = file_->load("text.input").clone().set_requires_grad(true);
  const auto out = net_.decode(image, prompts);
  EXPECT_TRUE(golden::close(out.mask_logits, file_->load("text.masks")));
  EXPECT_TRUE(golden::close(out.predicted_iou, file_->load("text.iou")));
  EXPECT_FALSE(out.predicted_iou.requires_grad());
  (out.mask_logits * file_->load("cotangent")).sum().backward();
  EXPECT_TRUE(golden::close(image.grad(), file_->load("grad.image"), 2e-5));
  EXPECT_TRUE(golden::close(prompts.grad(), file_->load("grad.prompts"), 2e-5));
  golden::expect_gradients(net_, *file_, "grad.");
}

TEST_F(GroundingTest, BoxesAndPointsAreThoseOfSegmentAnything) {
  const auto boxes = net_.decode_boxes(file_->load("image"), file_->load("box.input"));
  EXPECT_TRUE(golden::close(boxes.mask_logits, file_->load("box.masks")));
  EXPECT_TRUE(golden::close(boxes.predicted_iou, file_->load("box.iou")));
  const auto points = net_.decode_points(file_->load("image"), file_->load("point.input"),
                                         file_->load("point.labels"));
  EXPECT_TRUE(golden::close(points.mask_logits, file_->load("point.masks")));
  EXPECT_TRUE(golden::close(points.predicted_iou, file_->load("point.iou")));
}

TEST_F(GroundingTest, PositionsAndMaskPromptsAreThoseOfSegmentAnything) {
  PromptEncoder encoder(32, 32, 8);
  golden::load(encoder, *file_, "weight.prompt_encoder.");
  const auto positions = encoder.grid_positions(at::kFloat, 8).t().view({1, 32, 8, 8});
  EXPECT_TRUE(golden::close(positions, file_->load("positions"), 1e-6));
  EXPECT_TRUE(
      golden::close(encoder.embed_masks(file_->load("mask.input")), file_->load("mask.dense")));
}

TEST_F(GroundingTest, ABatchOfPicturesIsEachByItself) {
  const auto images = at::randn({3, 32, 8, 8});
  const auto prompts = at::randn({4, 32});
  const std::vector<std::int64_t> owner = {2, 0, 2, 1};
  const auto together = net_.decode_batch(images, prompts, at::tensor(owner));
  std::vector<at::Tensor> ious;
  for (std::int64_t k = 0; k < 4; ++k) {
    const auto alone = net_.decode(images.narrow(0, owner[static_cast<std::size_t>(k)], 1),
                                   prompts.narrow(0, k, 1));
    EXPECT_TRUE(golden::close(together.mask_logits.narrow(0, k, 1), alone.mask_logits)) << k;
    ious.push_back(alone.predicted_iou);
  }
  EXPECT_TRUE(golden::close(together.predicted_iou, at::cat(ious)));
}

TEST_F(GroundingTest, ACoarserGridOfTheSamePictureDrawsTheSame) {
  // Without positions a picture whose cells come in equal 2x2 blocks is the coarse one, every cell
  // four times.
  for (const auto& [name, tensor] : net_.named_buffers()) {
    if (name.ends_with("gaussian_matrix")) tensor->zero_();
  }
  const auto coarse = at::randn({1, 32, 4, 4}), prompts = at::randn({2, 32});
  const auto fine = coarse.repeat_interleave(2, 2).repeat_interleave(2, 3);
  const auto owner = at::zeros({2}, at::kLong);
  const auto small = net_.decode_batch(coarse, prompts, owner).mask_logits;
  ASSERT_EQ(small.sizes(), (std::vector<std::int64_t>{2, 1, 16, 16}));
  const auto blocks = small.view({2, 1, 4, 1, 4, 4, 1, 4}).expand({2, 1, 4, 2, 4, 4, 2, 4});
  const auto large = net_.decode_batch(fine, prompts, owner).mask_logits;
  EXPECT_TRUE(golden::close(large, blocks.reshape({2, 1, 32, 32})));
  EXPECT_THROW(net_.decode_batch(at::randn({1, 32, 3, 3}), prompts, owner), c10::Error);
}

TEST_F(GroundingTest, NoPromptGivesNoMask) {
  const auto out = net_.decode(file_->load("image"), at::zeros({0, 32}));
  EXPECT_EQ(out.mask_logits.sizes(), (std::vector<std::int64_t>{0, 1, 32, 32}));
  EXPECT_EQ(out.predicted_iou.sizes(), (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(upscale_masks(out.mask_logits, {32, 32, 24, 50, 40}).sizes(),
            (std::vector<std::int64_t>{0, 50, 40}));
}

TEST_F(GroundingTest, Bf16StaysNearAndTrains) {
  for (const auto& [name, tensor] : net_.named_parameters())
    tensor->set_requires_grad(name.starts_with("mask_decoder."));
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const auto out = net_.decode(file_->load("image"), file_->load("text.input"));
  EXPECT_EQ(out.mask_logits.scalar_type(), at::kFloat);
  EXPECT_TRUE(golden::close(out.mask_logits, file_->load("text.masks"), 0.06));
  (out.mask_logits * file_->load("cotangent")).sum().backward();
  for (const auto& [name, tensor] : net_.named_parameters()) {
    if (!file_->contains("grad." + name)) continue;
    ASSERT_TRUE(tensor->grad().defined()) << name;
    EXPECT_EQ(tensor->grad().scalar_type(), at::kFloat) << name;
  }
}

TEST_F(GroundingTest, WithoutGradientsNothingChanges) {
  const auto with = net_.decode(file_->load("image"), file_->load("text.input"));
  const c10::InferenceMode inference;
  const auto without = net_.decode(file_->load("image"), file_->load("text.input"));
  EXPECT_TRUE(golden::close(without.mask_logits, with.mask_logits, 1e-6));
}

TEST(Grounding, NamesAndShapesAreThoseOfThePublishedFile) {
  const auto published = nlohmann::json::parse(
      read_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/grounding/names.json"));
  Grounding net{GroundingOptions{}};
  auto all = net.named_parameters();
  for (const auto& buffer : net.named_buffers()) all.push_back(buffer);
  EXPECT_EQ(all.size(), published.size());
  for (const auto& [name, tensor] : all) {
    ASSERT_TRUE(published.contains(name)) << name;
    EXPECT_EQ(tensor->sizes().vec(), published.at(name).get<std::vector<std::int64_t>>()) << name;
  }
}

TEST(Grounding, AnUnknownEncoderIsRefused) {
  auto options = tiny();
  EXPECT_THROW(read_options(nlohmann::json{{"encoder", "tiny_vitt"}}, options), ConfigError);
}

TEST(UpscaleMasks, CropsTheFrameToThePictureBeforeTheLastStep) {
  at::manual_seed(1);
  const auto logits = at::randn({2, 1, 8, 8});
  const auto frame = at::upsample_bilinear2d(logits, {32, 32}, false);
  const auto expected = at::upsample_bilinear2d(frame.narrow(2, 0, 20), {15, 48}, false).squeeze(1);
  EXPECT_TRUE(golden::close(upscale_masks(logits, {32, 20, 32, 15, 48}), expected, 1e-7));
  EXPECT_THROW(upscale_masks(logits, {32, 40, 32, 15, 48}), c10::Error);
}

}  // namespace
}  // namespace medseg
