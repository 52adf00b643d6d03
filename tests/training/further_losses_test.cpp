// Focal and boundary loss against NumPy and SciPy, and in whole runs.
#include "medseg/training/further_losses.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "medseg/base/error.h"
#include "medseg/config/load.h"
#include "medseg/models/grounding.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/training/losses.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

using testing::HasSubstr;

/// [1, H, W] of a list of numbers, row by row.
at::Tensor map_of(const nlohmann::json& numbers, const at::Tensor& like) {
  return at::tensor(numbers.get<std::vector<double>>(), at::kDouble)
      .to(at::kFloat)
      .view(like.sizes());
}

at::Tensor truth_of(const nlohmann::json& rows) {
  std::vector<float> values;
  for (const auto& row : rows) {
    for (const char c : row.get<std::string>()) values.push_back(c == '#' ? 1.0F : 0.0F);
  }
  const auto height = static_cast<std::int64_t>(rows.size());
  return at::tensor(values).view({1, height, -1});
}

void expect_close(const at::Tensor& got, const at::Tensor& expected, const std::string& what) {
  const auto largest = std::max(expected.abs().max().item<double>(), 1e-6);
  EXPECT_LT((got - expected).abs().max().item<double>(), 2e-5 * largest) << what;
}

TEST(FurtherLosses, AreThoseOfNumpyAndScipy) {
  const auto golden = nlohmann::json::parse(
      read_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/losses/masks.json"));
  ASSERT_EQ(golden["cases"].size(), 9U);
  for (const auto& item : golden["cases"]) {
    const std::string name = item["name"];
    const auto truth = truth_of(item["truth"]);
    const auto distances = boundary_distances(truth);
    expect_close(distances, map_of(item["distances"], truth), name + " distances");
    auto logits = map_of(item["logits"], truth).set_requires_grad(true);
    const auto compare = [&](const at::Tensor& loss, const nlohmann::json& value,
                             const nlohmann::json& gradient, const std::string& what) {
      const double expected = value;
      EXPECT_NEAR(loss.item<double>(), expected, 1e-5 * std::abs(expected) + 1e-7) << what;
      logits.mutable_grad() = at::Tensor();
      (loss * 3.0).sum().backward();
      expect_close(logits.grad() / 3.0, map_of(gradient, truth), what + " gradient");
    };
    compare(boundary_loss(logits, distances), item["boundary"], item["boundary_gradient"],
            name + " boundary");
    for (const auto& focal : item["focal"]) {
      compare(focal_loss(logits, truth, focal["gamma"], focal["alpha"]), focal["value"],
              focal["gradient"], str_cat(name, " focal ", focal["gamma"]));
    }
  }
}

TEST(FurtherLosses, FocalWithoutFocusIsCrossEntropy) {
  at::manual_seed(1);
  const auto logits = 5 * at::randn({3, 6, 4});
  const auto truth = (at::rand({3, 6, 4}) > 0.5).to(at::kFloat);
  EXPECT_TRUE(at::allclose(focal_loss(logits, truth, 0.0, -1.0), mask_losses(logits, truth).first,
                           1e-5, 1e-6));
}

TEST(FurtherLosses, ExtremeLogitsStayFinite) {
  auto logits = at::tensor({-1e4f, 1e4f, -1e4f, 1e4f}).view({1, 2, 2}).set_requires_grad(true);
  const auto truth = at::tensor({0.f, 1.f, 1.f, 0.f}).view({1, 2, 2});
  for (const double gamma : {0.0, 0.5, 2.0}) {
    const auto focal = focal_loss(logits, truth, gamma, 0.25);
    EXPECT_NEAR(focal.item<double>(), (0.25 + 0.75) * 1e4 / 4, 1) << gamma;
    (focal + boundary_loss(logits, boundary_distances(truth))).sum().backward();
    EXPECT_TRUE(at::isfinite(logits.grad()).all().item<bool>()) << gamma;
  }
}

TEST(FurtherLosses, OfABatchWeighPicturesByTheirMasks) {
  at::manual_seed(5);
  const auto frame_of = [](std::int64_t height) {
    return ModelFrame{.size = 8,
                      .resized_height = 8,
                      .resized_width = 8,
                      .image_height = height,
                      .image_width = 9};
  };
  const std::vector<std::int64_t> counts = {2, 0, 1};
  const auto low = at::randn({3, 1, 4, 4});
  const LossOptions options{.focal = 1.0, .boundary = 2.0};
  std::vector<MaskTruth> truths;
  double focal = 0, boundary = 0;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::int64_t height = i == 2 ? 6 : 10;
    truths.push_back({(at::rand({counts[i], height, 9}) > 0.6).to(at::kFloat), frame_of(height)});
    if (counts[i] > 0) {
      const auto logits =
          upscale_masks(low.slice(0, first, first + counts[i]), truths.back().frame);
      focal += focal_loss(logits, truths.back().masks, 2.0, 0.25).sum().item<double>();
      boundary +=
          boundary_loss(logits, boundary_distances(truths.back().masks)).sum().item<double>();
    }
    first += counts[i];
  }
  for (const bool ahead : {false, true}) {
    if (ahead) add_distances(truths);
    const auto losses = batch_mask_losses(low, truths, options);
    EXPECT_NEAR(losses.focal.item<double>(), focal / 3, 1e-6);
    EXPECT_NEAR(losses.boundary.item<double>(), boundary / 3, 1e-5);
    const auto total = with_further_losses(losses.bce, losses, options);
    EXPECT_NEAR(total.item<double>(), losses.bce.item<double>() + focal / 3 + 2.0 * boundary / 3,
                1e-5);
  }
  const auto plain = batch_mask_losses(low, truths);
  EXPECT_FALSE(plain.focal.defined() || plain.boundary.defined());
  EXPECT_TRUE(with_further_losses(plain.bce, plain, {}).is_same(plain.bce));
}

class FurtherLossesRun : public TinyRun {
 protected:
  void run(const TrainConfig& config, const std::string& name, bool resume = false) const {
    train(config, {.out = root_ / name, .resume = resume, .command = "test"});
  }
  std::string fault_of(const TrainConfig& config) const {
    try {
      run(config, "fault");
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }
};

TEST_F(FurtherLossesRun, AreOffUnlessAskedFor) {
  run(config(), "a");
  for (const auto& line : metrics("a"))
    EXPECT_FALSE(line.contains("loss_focal") || line.contains("loss_boundary"));
}

TEST_F(FurtherLossesRun, TeachMasksAloneAndOverAResume) {
  auto options = config();
  options.train.steps = 12;
  options.train.batch_size = 6;
  options.train.loss = {.text = 0.0, .bce = 0.0, .dice = 0.0, .focal = 20.0, .boundary = 0.05};
  options.train.replay.masks = 2;
  options.data.workers = 2;
  options.data.cache_gb = 0;  // features come after the batch: distances are computed in the step
  run(options, "whole");
  const auto lines = metrics("whole");
  for (const auto& line : lines) {
    EXPECT_NEAR(
        line["loss"].get<double>(),
        20.0 * line["loss_focal"].get<double>() + 0.05 * line["loss_boundary"].get<double>(), 1e-5);
    EXPECT_NE(line["loss_boundary"].get<double>(), 0.0);
  }
  EXPECT_LT(lines.back()["loss"].get<double>(), lines.front()["loss"].get<double>());
  EXPECT_LT(lines.back()["loss_focal"].get<double>(), lines.front()["loss_focal"].get<double>());

  options.train.steps = 5;
  options.data.cache_gb = 4;  // distances come with the batch
  run(options, "halves");
  options.train.steps = 12;
  run(options, "halves", /*resume=*/true);
  EXPECT_EQ(metrics("halves"), lines);
  EXPECT_EQ(read_file(root_ / "whole/last/training.safetensors"),
            read_file(root_ / "halves/last/training.safetensors"));
}

TEST_F(FurtherLossesRun, BadWeightsAndLossesAreNamed) {
  auto json = write_options(config());
  for (const auto& [key, value] : std::vector<std::pair<std::string, double>>{
           {"focal", -1}, {"boundary", -0.1}, {"focal_gamma", -1}, {"focal_alpha", 1.5}}) {
    auto changed = json;
    changed["train"]["loss"][key] = value;
    try {
      read_train_config(changed);
      ADD_FAILURE() << key;
    } catch (const ConfigError& error) {
      EXPECT_THAT(error.what(), HasSubstr("train.loss." + key));
    }
  }
  write_start(root_ / "start", true, std::numeric_limits<double>::quiet_NaN());
  auto options = config();
  options.train.loss.focal = 1.0;
  EXPECT_THAT(fault_of(options), HasSubstr("[5]"));
}

}  // namespace
}  // namespace medseg::tiny
