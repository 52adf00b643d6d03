#include <gmock/gmock.h>

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/models/clip.h"
#include "medseg/models/siglip.h"
#include "medseg/nn/autocast.h"

namespace medseg {
namespace {

ClipOptions tiny_clip() {
  return {.image_size = 18, .patch = 6, .width = 16, .layers = 3, .heads = 2, .mlp_width = 24};
}

SiglipOptions tiny_siglip() {
  return {.image_size = 20, .patch = 6, .width = 16, .layers = 3, .heads = 2, .mlp_width = 24};
}

std::unique_ptr<VisionTower> tower_of(const std::string& name, std::int64_t select_layer = -2) {
  if (name == "clip") {
    auto options = tiny_clip();
    options.select_layer = select_layer;
    return make_clip(options);
  }
  auto options = tiny_siglip();
  options.select_layer = select_layer;
  return make_siglip(options);
}

class Tower : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<TensorFile> file_ = golden::open("vision/" + GetParam() + ".safetensors");
  std::int64_t class_tokens_ = GetParam() == "clip" ? 1 : 0;
};

TEST_P(Tower, GivesTheHiddenStateThatIsAskedFor) {
  for (const std::int64_t select : {0, 1, 2, 3, -1, -2, -3, -4}) {
    const auto tower = tower_of(GetParam(), select);
    golden::load(*tower, *file_, "weight.");
    const auto state = file_->load("state." + std::to_string(select < 0 ? select + 4 : select));
    const auto features = tower->features(file_->load("pixels"));
    EXPECT_TRUE(golden::close(features, state.narrow(1, class_tokens_, 9), 2e-5)) << select;
  }
}

TEST_P(Tower, TokensAndGradientsAreThoseOfTransformers) {
  const auto tower = tower_of(GetParam(), -1);
  golden::load(*tower, *file_, "weight.");
  EXPECT_TRUE(golden::close(tower->tokens(file_->load("pixels")), file_->load("tokens"), 2e-5));
  golden::require_gradients(*tower);
  auto pixels = file_->load("pixels").clone().set_requires_grad(true);
  const auto cotangent = file_->load("cotangent");
  if (class_tokens_ == 0) {  // the last state is what features() gives
    (tower->features(pixels) * cotangent).sum().backward();
  } else {  // no norm follows in tokens()
    (tower->tokens(pixels) * cotangent).sum().backward();
  }
  EXPECT_TRUE(golden::close(pixels.grad(), file_->load("grad.pixels"), 1e-4));
  golden::expect_gradients(*tower, *file_, "grad.", 1e-4);
}

TEST_P(Tower, PreparedStaysNearInBf16AndEqualInFp32) {
  const auto tower = tower_of(GetParam());
  golden::load(*tower, *file_, "weight.");
  tower->prepare_frozen();
  const auto pixels = file_->load("pixels");
  const auto state = file_->load("state.2").narrow(1, class_tokens_, 9);
  EXPECT_TRUE(golden::close(tower->features(pixels), state, 2e-5));
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  EXPECT_TRUE(golden::close(tower->features(pixels).to(at::kFloat), state, 0.05));
}

TEST_P(Tower, PicturesOfABatchDoNotMeet) {
  const auto tower = tower_of(GetParam());
  golden::load(*tower, *file_, "weight.");
  const auto pixels = file_->load("pixels");
  EXPECT_TRUE(golden::close(tower->features(pixels).narrow(0, 1, 1),
                            tower->features(pixels.narrow(0, 1, 1)), 1e-6));
}

INSTANTIATE_TEST_SUITE_P(Vision, Tower, ::testing::Values("clip", "siglip"),
                         [](const auto& info) { return info.param; });

template <class Options, class Make, class Change>
std::string refusal(Options options, Make make, Change change) {
  change(options);
  try {
    make(options);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Vision, ImpossibleOptionsAreRefused) {
  using ::testing::HasSubstr;
  EXPECT_THAT(refusal(tiny_clip(), make_clip, [](auto& o) { o.heads = 5; }),
              HasSubstr("clip.heads: 5 heads do not divide a width of 16"));
  EXPECT_THAT(refusal(tiny_clip(), make_clip, [](auto& o) { o.select_layer = 4; }),
              HasSubstr("clip.select_layer: 4, but a tower of 3 layers has states -4…3"));
  EXPECT_THAT(refusal(tiny_siglip(), make_siglip, [](auto& o) { o.select_layer = -5; }),
              HasSubstr("siglip.select_layer: -5"));
  EXPECT_THAT(refusal(tiny_siglip(), make_siglip, [](auto& o) { o.patch = 21; }),
              HasSubstr("siglip.patch: 21 pixels"));
  auto options = tiny_siglip();
  EXPECT_THAT(
      [&] {
        read_options(nlohmann::json{{"activation", "silu"}}, options, "siglip");
      },
      ::testing::ThrowsMessage<ConfigError>(
          AllOf(HasSubstr("siglip.activation: unknown \"silu\""), HasSubstr("quick_gelu"))));
}

}  // namespace
}  // namespace medseg
