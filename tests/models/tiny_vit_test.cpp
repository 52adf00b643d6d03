#include "medseg/models/tiny_vit.h"

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

// Windows that are padded (7 on 16), that fit (4 on 8) and that are the whole map (8 on 8).
TinyVitOptions tiny() {
  return {.image_size = 32,
          .widths = {16, 16, 24, 32},
          .depths = {1, 1, 2, 1},
          .heads = {1, 1, 2, 2},
          .windows = {7, 7, 4, 8}};
}

class TinyVitTest : public ::testing::Test {
 protected:
  void SetUp() override { golden::load(*net_, *file_, "weight."); }

  std::unique_ptr<TensorFile> file_ = golden::open("grounding/tiny_vit.safetensors");
  std::unique_ptr<GroundingEncoder> net_ = make_tiny_vit(tiny(), 32);
};

TEST_F(TinyVitTest, OutputAndGradientsAreThoseOfTheOriginal) {
  golden::require_gradients(*net_);
  auto pixels = file_->load("pixels").clone().set_requires_grad(true);
  const auto out = net_->forward(pixels);
  EXPECT_TRUE(golden::close(out, file_->load("out")));
  (out * file_->load("cotangent")).sum().backward();
  EXPECT_TRUE(golden::close(pixels.grad(), file_->load("grad.pixels"), 2e-5));
  golden::expect_gradients(*net_, *file_, "grad.");
}

TEST_F(TinyVitTest, TrainingUsesTheBatchAndMovesTheStatistics) {
  golden::require_gradients(*net_);
  net_->train();
  EXPECT_TRUE(golden::close(net_->forward(file_->load("pixels")), file_->load("train.out")));
  for (const auto& [name, tensor] : net_->named_buffers()) {
    if (name == "patch_embed.seq.0.bn.running_mean")
      EXPECT_TRUE(golden::close(*tensor, file_->load("train.running_mean")));
    if (name == "patch_embed.seq.0.bn.num_batches_tracked")
      EXPECT_EQ(tensor->item<std::int64_t>(), 1);
  }
}

TEST_F(TinyVitTest, AFrozenEncoderDoesNotDriftInTrainingMode) {
  net_->train();
  EXPECT_TRUE(golden::close(net_->forward(file_->load("pixels")), file_->load("out")));
  for (const auto& [name, tensor] : net_->named_buffers())
    EXPECT_TRUE(tensor->equal(file_->load("weight." + name))) << name;
}

TEST_F(TinyVitTest, PreparedEqualsPlain) {
  const auto pixels = file_->load("pixels");
  net_->prepare_frozen();
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(golden::close(net_->forward(pixels), file_->load("out")));
  EXPECT_TRUE(
      golden::close(net_->forward(pixels.narrow(0, 1, 1)), file_->load("out").narrow(0, 1, 1)));
  const c10::InferenceMode inference;
  EXPECT_TRUE(golden::close(net_->forward(pixels), file_->load("out")));
}

TEST_F(TinyVitTest, PreparedKeepsNamesAndValues) {
  const auto count = net_->named_parameters().size();
  net_->prepare_frozen();
  EXPECT_EQ(net_->named_parameters().size(), count);
  for (const auto& [name, tensor] : net_->named_parameters())
    EXPECT_TRUE(tensor->equal(file_->load("weight." + name))) << name;
}

TEST_F(TinyVitTest, PreparedInBf16StaysNear) {
  net_->prepare_frozen();
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const auto out = net_->forward(file_->load("pixels"));
  EXPECT_EQ(out.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(golden::close(out.to(at::kFloat), file_->load("out"), 0.06));
}

TEST(MobileTinyVit, OutputAndGradientsAreThoseOfTheOriginal) {
  const auto file = golden::open("sam/mobile.safetensors");
  const auto net = make_tiny_vit({.image_size = 64,
                                  .patch_stride = 2,
                                  .widths = {8, 8, 12, 16},
                                  .depths = {1, 1, 1, 1},
                                  .heads = {1, 1, 2, 2},
                                  .windows = {7, 3, 4, 3}},
                                 16);
  golden::load(*net, *file, "weight.");
  EXPECT_EQ(net->grid(), 4);
  net->prepare_frozen();
  const auto pixels = file->load("pixels");
  {
    const at::NoGradGuard no_grad;
    EXPECT_TRUE(golden::close(net->forward(pixels), file->load("out"))) << "prepared";
    const AutocastScope autocast(at::kCPU, at::kBFloat16);
    EXPECT_TRUE(golden::close(net->forward(pixels).to(at::kFloat), file->load("out"), 0.06));
  }
  golden::require_gradients(*net);
  const auto out = net->forward(pixels.clone().set_requires_grad(true));
  EXPECT_TRUE(golden::close(out, file->load("out")));
  (out * file->load("cotangent")).sum().backward();
  golden::expect_gradients(*net, *file, "grad.");
}

TEST_F(TinyVitTest, ImpossibleOptionsAreRefused) {
  auto options = tiny();
  options.depths.pop_back();
  EXPECT_THROW(make_tiny_vit(options, 32), ConfigError);
  options = tiny();
  options.heads[3] = 5;
  EXPECT_THROW(make_tiny_vit(options, 32), ConfigError);
}

}  // namespace
}  // namespace medseg
