#include "medseg/models/hiera.h"

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"

namespace medseg {
namespace {

/// As scripts/reference/export_sam2.py has them.
HieraOptions tiny() {
  return {.image_size = 64,
          .width = 4,
          .heads = 1,
          .background_grid = 3,
          .depths = {1, 2, 2, 1},
          .windows = {8, 4, 14, 6},
          .global_blocks = {4}};
}
HieraOptions wide() {
  return {.image_size = 32,
          .width = 4,
          .heads = 2,
          .background_grid = 5,
          .depths = {1, 2, 1, 1},
          .windows = {4, 6, 4, 2},
          .global_blocks = {2}};
}

class HieraTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { golden::load(*net_, *file_, name_ + "weight."); }
  std::vector<at::Tensor> levels(const at::Tensor& pixels) const {
    const auto pyramid = net_->forward(pixels);
    return {pyramid.stride4, pyramid.stride8, pyramid.stride16};
  }
  at::Tensor golden(const std::string& name) const { return file_->load(name_ + name); }

  std::string name_ = std::string(GetParam()) + ".";
  std::unique_ptr<TensorFile> file_ = golden::open("sam2/hiera.safetensors");
  std::unique_ptr<Hiera> net_ = make_hiera(name_ == "tiny." ? tiny() : wide(), 8);
};

TEST_P(HieraTest, PyramidAndGradientsAreThoseOfTransformers) {
  golden::require_gradients(*net_);
  auto pixels = golden("pixels").clone().set_requires_grad(true);
  const auto out = levels(pixels);
  at::Tensor loss = at::zeros({});
  for (std::size_t i = 0; i < out.size(); ++i) {
    EXPECT_TRUE(golden::close(out[i], golden(str_cat("out.", i)))) << i;
    loss = loss + (out[i] * golden(str_cat("cotangent.", i))).sum();
  }
  loss.backward();
  EXPECT_TRUE(golden::close(pixels.grad(), golden("grad.pixels"), 2e-5));
  golden::expect_gradients(*net_, *file_, name_ + "grad.");
}

TEST_P(HieraTest, WithoutGradientsAndAloneItIsTheSame) {
  const c10::InferenceMode inference;
  const auto alone = levels(golden("pixels").narrow(0, -1, 1));
  for (std::size_t i = 0; i < alone.size(); ++i)
    EXPECT_TRUE(golden::close(alone[i], golden(str_cat("out.", i)).narrow(0, -1, 1))) << i;
}

TEST_P(HieraTest, Bf16StaysNear) {
  const at::NoGradGuard no_grad;
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const auto out = levels(golden("pixels"));
  for (std::size_t i = 0; i < out.size(); ++i)
    EXPECT_TRUE(golden::close(out[i].to(at::kFloat), golden(str_cat("out.", i)), 0.06)) << i;
}

INSTANTIATE_TEST_SUITE_P(Sam2, HieraTest, ::testing::Values("tiny", "wide"),
                         [](const auto& info) { return std::string(info.param); });

TEST(Hiera, PublishedSizesHaveThePublishedParameters) {
  const ShapesOnly nothing_allocated;
  HieraOptions small;
  small.depths = {1, 2, 11, 2};
  small.global_blocks = {7, 10, 13};
  HieraOptions base{.width = 112, .heads = 2, .background_grid = 14, .depths = {2, 3, 16, 3}};
  base.global_blocks = {12, 16, 20};
  HieraOptions large{.width = 144, .heads = 2, .depths = {2, 6, 36, 4}, .windows = {8, 4, 16, 8}};
  large.global_blocks = {23, 33, 43};
  const auto counts = nlohmann::json::parse(
      read_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/sam2/sizes.json"));
  const std::map<std::string, HieraOptions> sizes = {
      {"tiny", {}}, {"small", small}, {"base_plus", base}, {"large", large}};
  ASSERT_EQ(counts.size(), sizes.size());
  for (const auto& entry : sizes) {
    const auto net = make_hiera(entry.second, 256);
    std::int64_t count = 0;
    for (const auto& parameter : net->named_parameters()) count += parameter.second->numel();
    EXPECT_EQ(count, counts.at(entry.first).get<std::int64_t>()) << entry.first;
  }
}

void expect_refused(const HieraOptions& options, const std::string& key) {
  try {
    make_hiera(options, 16);
    ADD_FAILURE() << key << " was accepted";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("hiera." + key), std::string::npos) << error.what();
  }
}

TEST(Hiera, ImpossibleOptionsAreRefusedByTheirKey) {
  const auto with = [](auto change) {
    auto options = tiny();
    change(options);
    return options;
  };
  expect_refused(with([](auto& o) { o.image_size = 80; }), "image_size");
  expect_refused(with([](auto& o) { o.heads = 3; }), "heads");
  expect_refused(with([](auto& o) { o.depths = {1, 2, 2}; }), "depths");
  expect_refused(with([](auto& o) { o.depths[1] = 0; }), "depths");
  expect_refused(with([](auto& o) { o.windows = {8, 4, 14}; }), "windows");
  expect_refused(with([](auto& o) { o.windows[3] = 0; }), "windows");
  expect_refused(with([](auto& o) { o.windows[1] = 3; }), "windows");
  expect_refused(with([](auto& o) { o.windows[0] = 6; }), "windows");
  expect_refused(with([](auto& o) { o.global_blocks = {6}; }), "global_blocks");
  expect_refused(with([](auto& o) { o.global_blocks = {-1}; }), "global_blocks");
  expect_refused(with([](auto& o) { o.global_blocks = {3}; }), "global_blocks");
  EXPECT_THROW(make_hiera(tiny(), 16)->forward(at::zeros({1, 3, 64, 32})), c10::Error);
}

}  // namespace
}  // namespace medseg
