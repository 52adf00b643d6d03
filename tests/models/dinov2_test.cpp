#include "medseg/models/dinov2.h"

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

Dinov2Options tiny() {
  return {.image_size = 28, .position_grid = 5, .patch = 7, .width = 32, .layers = 2, .heads = 2};
}

TEST(Dinov2, TokensAndGradientsAreThoseOfTransformers) {
  const auto file = golden::open("dinov2/tiny.safetensors");
  const auto tower = make_dinov2(tiny());
  golden::load(*tower, *file, "weight.");
  golden::require_gradients(*tower);
  auto pixels = file->load("pixels").clone().set_requires_grad(true);
  const auto tokens = tower->tokens(pixels);
  EXPECT_TRUE(golden::close(tokens, file->load("tokens")));
  (tokens * file->load("cotangent")).sum().backward();
  EXPECT_TRUE(golden::close(pixels.grad(), file->load("grad.pixels"), 2e-5));
  golden::expect_gradients(*tower, *file, "grad.");
}

TEST(Dinov2, FeaturesAreTheTokensWithoutTheFirst) {
  const auto file = golden::open("dinov2/tiny.safetensors");
  const auto tower = make_dinov2(tiny());
  golden::load(*tower, *file, "weight.");
  const auto features = tower->features(file->load("pixels"));
  ASSERT_EQ(features.sizes(),
            (std::vector<std::int64_t>{2, tower->grid() * tower->grid(), tower->width()}));
  EXPECT_TRUE(golden::close(features, file->load("tokens").narrow(1, 1, 16)));
}

TEST(Dinov2, CachedPositionsFollowTheirParameter) {
  at::manual_seed(1);
  const auto tower = make_dinov2(tiny());
  const auto pixels = at::rand({1, 3, 28, 28});
  const auto before = tower->tokens(pixels);
  for (const auto& [name, tensor] : tower->named_parameters()) {
    if (name == "embeddings.position_embeddings") tensor->add_(at::randn_like(*tensor));
  }
  EXPECT_GT(golden::relative_error(tower->tokens(pixels), before), 1e-3);
}

TEST(Dinov2, PicturesOfABatchDoNotMeet) {
  at::manual_seed(1);
  const auto tower = make_dinov2(tiny());
  const auto pixels = at::rand({3, 3, 28, 28});
  EXPECT_TRUE(golden::close(tower->tokens(pixels).narrow(0, 1, 1),
                            tower->tokens(pixels.narrow(0, 1, 1)), 1e-6));
}

TEST(Dinov2, Bf16StaysNear) {
  at::manual_seed(1);
  const auto tower = make_dinov2(tiny());
  const auto pixels = at::rand({1, 3, 28, 28});
  const auto exact = tower->tokens(pixels);
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  EXPECT_TRUE(golden::close(tower->tokens(pixels).to(at::kFloat), exact, 0.05));
}

TEST(Dinov2, PreparedStaysNearInBf16AndEqualInFp32) {
  const auto file = golden::open("dinov2/tiny.safetensors");
  const auto tower = make_dinov2(tiny());
  golden::load(*tower, *file, "weight.");
  tower->prepare_frozen();
  const auto pixels = file->load("pixels");
  EXPECT_TRUE(golden::close(tower->tokens(pixels), file->load("tokens")));
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  EXPECT_TRUE(golden::close(tower->tokens(pixels).to(at::kFloat), file->load("tokens"), 0.05));
}

TEST(Dinov2, ImpossibleOptionsAreRefused) {
  auto options = tiny();
  options.image_size = 30;
  EXPECT_THROW(make_dinov2(options), ConfigError);
  options = tiny();
  options.heads = 5;
  EXPECT_THROW(make_dinov2(options), ConfigError);
}

}  // namespace
}  // namespace medseg
