#include "medseg/models/sam_vit.h"

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"
#include "tiny_sam.h"

namespace medseg {
namespace {

class SamVitTest : public ::testing::Test {
 protected:
  void SetUp() override { golden::load(*net_, *file_, "weight."); }

  std::unique_ptr<TensorFile> file_ = golden::open("sam/encoder.safetensors");
  std::unique_ptr<GroundingEncoder> net_ = make_sam_vit(tiny_sam_vit(), 16);
};

TEST_F(SamVitTest, OutputAndGradientsAreThoseOfTheOriginal) {
  golden::require_gradients(*net_);
  auto pixels = file_->load("pixels").clone().set_requires_grad(true);
  const auto out = net_->forward(pixels);
  EXPECT_TRUE(golden::close(out, file_->load("out")));
  (out * file_->load("cotangent")).sum().backward();
  EXPECT_TRUE(golden::close(pixels.grad(), file_->load("grad.pixels"), 2e-5));
  golden::expect_gradients(*net_, *file_, "grad.");
}

TEST_F(SamVitTest, WithoutGradientsAndAloneItIsTheSame) {
  const c10::InferenceMode inference;
  const auto pixels = file_->load("pixels");
  EXPECT_TRUE(golden::close(net_->forward(pixels), file_->load("out")));
  EXPECT_TRUE(
      golden::close(net_->forward(pixels.narrow(0, 1, 1)), file_->load("out").narrow(0, 1, 1)));
}

TEST_F(SamVitTest, PositionsOfAnotherGridAreResampled) {
  auto options = tiny_sam_vit();
  options.position_grid = 11;
  const auto net = make_sam_vit(options, 16);
  const at::NoGradGuard no_grad;
  std::size_t longer = 0;
  for (const auto& [name, tensor] : net->named_parameters()) {
    const bool other = file_->contains("long." + name);
    longer += other ? 1 : 0;
    tensor->copy_(file_->load((other ? "long." : "weight.") + name));
  }
  EXPECT_EQ(longer, 3U);
  EXPECT_EQ(net->grid(), 8);
  EXPECT_TRUE(golden::close(net->forward(file_->load("pixels")), file_->load("long.out")));
}

TEST_F(SamVitTest, Bf16StaysNear) {
  const at::NoGradGuard no_grad;
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const auto out = net_->forward(file_->load("pixels"));
  EXPECT_TRUE(golden::close(out.to(at::kFloat), file_->load("out"), 0.06));
}

TEST_F(SamVitTest, ABatchIsEachByItself) {
  const auto pixels = at::randn({3, 3, 32, 32});
  const auto together = net_->forward(pixels);
  for (std::int64_t i = 0; i < 3; ++i)
    EXPECT_TRUE(golden::close(together.narrow(0, i, 1), net_->forward(pixels.narrow(0, i, 1))));
}

TEST(SamVit, PublishedSizesHaveThePublishedShapes) {
  const ShapesOnly nothing_allocated;
  struct Size {
    SamVitOptions options;
    std::int64_t parameters;  // segment_anything's ImageEncoderViT
  };
  SamVitOptions large{.width = 1024, .depth = 24, .heads = 16, .mlp_width = 4096};
  large.global_blocks = {5, 11, 17, 23};
  SamVitOptions huge{.width = 1280, .depth = 32, .heads = 16, .mlp_width = 5120};
  huge.global_blocks = {7, 15, 23, 31};
  for (const auto& [options, parameters] :
       {Size{{}, 89'670'912}, Size{large, 308'278'272}, Size{huge, 637'026'048}}) {
    const auto net = make_sam_vit(options, 256);
    std::int64_t count = 0;
    for (const auto& [name, tensor] : net->named_parameters()) {
      EXPECT_TRUE(tensor->is_meta()) << name;
      count += tensor->numel();
      if (name == "blocks.1.attn.rel_pos_h") EXPECT_EQ(tensor->size(0), 27);
      if (name.starts_with("blocks.11.attn.rel_pos_w"))
        EXPECT_EQ(tensor->size(0), options.depth == 32 ? 27 : 127);
    }
    EXPECT_EQ(count, parameters) << options.width;
  }
}

TEST(SamVit, ImpossibleOptionsAreRefused) {
  auto options = tiny_sam_vit();
  options.patch = 5;
  EXPECT_THROW(make_sam_vit(options, 16), ConfigError);
  options = tiny_sam_vit();
  options.heads = 5;
  EXPECT_THROW(make_sam_vit(options, 16), ConfigError);
  options = tiny_sam_vit();
  options.global_blocks = {3};
  EXPECT_THROW(make_sam_vit(options, 16), ConfigError);
  EXPECT_THROW(make_sam_vit(tiny_sam_vit(), 16)->forward(at::zeros({1, 3, 32, 16})), c10::Error);
}

}  // namespace
}  // namespace medseg
