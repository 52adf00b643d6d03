// Whole runs in fp16, and runs with losses that are not finite.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "medseg/base/error.h"
#include "medseg/dataloader/training_batch.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

using testing::HasSubstr;

TEST(BatchDevice, ABatchMovesWholeAndStaysWhereItIsAlready) {
  TrainingBatch batch;
  batch.ids = {"a"};
  batch.dialogues.vision_features = at::ones({1, 4, 6});
  batch.image_embeddings = at::ones({1, 8, 4, 4}, at::kHalf);
  batch.truths = {{at::ones({2, 5, 6}), {}}, {at::ones({0, 5, 6}), {}}};
  const auto here = moved_to(at::kCPU, pinned_for(at::kCPU, batch));
  EXPECT_TRUE(here.image_embeddings.is_same(batch.image_embeddings));
  EXPECT_TRUE(here.truths[0].masks.is_same(batch.truths[0].masks));
  const auto there = moved_to(at::kMeta, batch);
  EXPECT_TRUE(there.dialogues.vision_features.is_meta());
  EXPECT_TRUE(there.image_embeddings.is_meta());
  EXPECT_EQ(there.image_embeddings.scalar_type(), at::kHalf);
  for (const auto& truth : there.truths) EXPECT_TRUE(truth.masks.is_meta());
  EXPECT_EQ(there.ids, batch.ids);
}

class PrecisionRun : public TinyRun {
 protected:
  TrainRequest to(const std::string& run, bool resume = false) const {
    return {.out = root_ / run, .resume = resume, .command = "test"};
  }
  nlohmann::json json_of(const std::string& file) const {
    return nlohmann::json::parse(read_file(root_ / file));
  }
};

TEST_F(PrecisionRun, Fp16LearnsAndTellsItsScale) {
  auto options = config();
  options.train.precision = Precision::kFp16;
  options.train.steps = 20;
  options.train.lora.dropout = 0.1;
  options.train.replay.masks = 2;
  train(options, to("a"));
  const auto lines = metrics("a");
  ASSERT_EQ(lines.size(), 20U);
  EXPECT_LT(lines.back()["loss"].get<double>(), lines.front()["loss"].get<double>());
  for (const auto& line : lines) {
    ASSERT_TRUE(line.contains("loss_scale") && line.contains("skipped")) << line;
    if (line.contains("grad_norm"))
      EXPECT_LT(line["grad_norm"].get<double>(), 1e3) << line;  // not that of scaled losses
  }
  options.train.precision = Precision::kBf16;
  options.train.steps = 1;
  train(options, to("b"));
  EXPECT_FALSE(metrics("b")[0].contains("loss_scale") || metrics("b")[0].contains("skipped"));
}

TEST_F(PrecisionRun, Fp16IsCloseToFp32) {
  auto options = config();
  options.train.steps = 6;
  options.train.batch_size = 6;
  train(options, to("wide"));
  options.train.precision = Precision::kFp16;
  options.train.scaler.init_scale = 256;
  train(options, to("narrow"));
  const auto wide = metrics("wide"), narrow = metrics("narrow");
  for (std::size_t i = 0; i < wide.size(); ++i) {
    for (const char* key : {"loss_text", "loss_bce", "loss_dice", "grad_norm"}) {
      const double expected = wide[i][key].get<double>();
      EXPECT_NEAR(narrow[i][key].get<double>(), expected, 0.02 * std::abs(expected)) << key << i;
    }
  }
}

TEST_F(PrecisionRun, TheScaleGoesOnAsIfTheRunHadNeverStopped) {
  auto options = config();
  options.train.precision = Precision::kFp16;
  options.train.scaler = {.init_scale = 256, .growth = 65536, .backoff = 0.5, .growth_interval = 2};
  options.train.ema.decay = 0.9;
  options.train.lora.dropout = 0.2;
  options.train.steps = 8;
  train(options, to("whole"));
  for (const std::int64_t steps : {3, 5, 8}) {  // one of them within the row of overflows
    options.train.steps = steps;
    train(options, to("parts", /*resume=*/true));
  }
  const auto whole = metrics("whole");
  EXPECT_EQ(whole, metrics("parts"));
  EXPECT_GT(whole.back()["skipped"].get<int>(), 0);
  EXPECT_LT(whole.back()["skipped"].get<int>(), 8);
  for (const char* file : {"model.safetensors", "training.safetensors"}) {
    EXPECT_EQ(read_file(root_ / "whole/last" / file), read_file(root_ / "parts/last" / file))
        << file;
  }
}

TEST_F(PrecisionRun, ASkippedStepMovesNothing) {
  auto options = config();
  options.train.precision = Precision::kFp16;
  options.train.scaler.init_scale = 1e38;
  options.train.ema.decay = 0.5;
  options.train.steps = 1;
  train(options, to("a"));
  const auto line = metrics("a")[0];
  EXPECT_EQ(line["skipped"], 1);
  EXPECT_FALSE(line.contains("grad_norm"));
  EXPECT_TRUE(line.contains("loss"));
  const auto state = open_tensor_file(root_ / "a/last/training.safetensors");
  for (const auto& info : state->tensors()) {
    if (info.name.starts_with("exp_avg") || info.name.starts_with("step.")) {
      EXPECT_EQ(state->load(info.name).count_nonzero().item<std::int64_t>(), 0) << info.name;
    }
  }
  EXPECT_FLOAT_EQ(state->load("scaler.scale").item<float>(), 5e37F);
  const auto before = open_tensor_file(root_ / "start/model.safetensors");
  const auto after = open_tensor_file(root_ / "a/last/model.safetensors");
  for (const auto& info : before->tensors())
    EXPECT_TRUE(at::equal(before->load(info.name), after->load(info.name))) << info.name;
  EXPECT_EQ(json_of("a/run.json")["skipped_steps"], 1);
}

TEST_F(PrecisionRun, AValueBeyondFp16IsRefused) {
  const auto options = read_bundle_options(root_ / "start");
  const auto model = load_segmenter(root_ / "start", options);
  for (const auto& [name, tensor] : model->named_parameters()) {
    if (name == "model.layers.1.mlp.up_proj.weight") tensor->view(-1)[7] = 1e5;
  }
  AtomicFolder bundle(root_ / "large");
  save_bundle(bundle.path(), *model, options, {});
  make_byte_tokenizer()->save(bundle.path());
  bundle.commit();
  auto run = config();
  run.model = (root_ / "large").string();
  run.train.precision = Precision::kFp16;
  try {
    train(run, to("a"));
    ADD_FAILURE() << "was taken";
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("model.layers.1.mlp.up_proj.weight has values beyond fp16"));
  }
}

TEST_F(PrecisionRun, StepsWithALossThatIsNotFiniteAreDropped) {
  write_start(root_ / "start", true, std::numeric_limits<double>::quiet_NaN());
  for (const char* precision : {"fp32", "fp16"}) {
    auto options = config();
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.non_finite = NonFinite::kSkip;
    options.train.batch_size = 1;
    options.train.steps = 6;  // one of the six records has no mask, so that its loss is finite
    options.train.scaler.init_scale = 256;
    const std::string run = str_cat("skip-", precision);
    train(options, to(run));
    std::size_t dropped = 0;
    for (const auto& line : metrics(run)) {
      EXPECT_EQ(line.contains("dropped"), !line.contains("loss")) << line;
      EXPECT_EQ(line.contains("dropped"), !line.contains("grad_norm")) << line;
      if (!line.contains("dropped")) continue;
      EXPECT_THAT(line["dropped"].get<std::string>(), HasSubstr("loss_bce is nan; records p"));
      ++dropped;
    }
    EXPECT_EQ(dropped, 5U);
    EXPECT_EQ(json_of(run + "/last/training.json")["dropped"], 5);
    EXPECT_EQ(json_of(run + "/run.json")["dropped_steps"], 5);

    options.train.steps = 100;
    options.train.non_finite_limit = 10;
    try {
      train(options, to(run, /*resume=*/true));
      ADD_FAILURE() << "went on";
    } catch (const RunStopped& error) {
      EXPECT_EQ(error.exit_code(), 5);
      EXPECT_THAT(error.what(), HasSubstr("11 steps dropped, train.non_finite_limit is 10"));
    }
    EXPECT_THAT(json_of(run + "/run.json")["state"].get<std::string>(), HasSubstr("loss_bce"));
  }
}

}  // namespace
}  // namespace medseg::tiny
