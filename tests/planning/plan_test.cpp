#include "medseg/planning/plan.h"

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/dataloader/batch_maker.h"
#include "medseg/dataloader/feature_filling.h"
#include "medseg/models/llama.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/precision.h"
#include "medseg/nn/tensor_memory.h"
#include "medseg/pipeline/features.h"
#include "medseg/training/frozen_storage.h"
#include "medseg/training/step.h"
#include "medseg/training/trained.h"
#include "training/tiny_run.h"

namespace medseg::tiny {
namespace {

class PlanTest : public TinyRun {
 protected:
  static double of(const std::vector<std::pair<std::string, double>>& list, const char* name) {
    for (const auto& [known, value] : list) {
      if (known == name) return value;
    }
    ADD_FAILURE() << "no " << name;
    return 0;
  }
};

TEST_F(PlanTest, CountsParametersAsTrainingDoes) {
  const auto plan = make_plan(config());
  auto bundle = open_bundle(root_ / "start");
  std::int64_t all = 0, trained = 0;
  for (const auto& parameter : choose_trained(bundle, config().train))
    trained += parameter.tensor.numel();
  for (const auto& [name, tensor] : bundle.model->named_parameters()) all += tensor->numel();
  std::int64_t planned = 0, planned_trained = 0;
  for (const auto& part : plan.parts) {
    planned += part.parameters;
    planned_trained += part.trained;
    EXPECT_EQ(
        part.name == "vision tower" || part.name == "grounding encoder" || part.name == "projector",
        part.trained == 0)
        << part.name;
  }
  EXPECT_EQ(planned, all);
  EXPECT_EQ(planned_trained, trained);
  EXPECT_EQ(plan.records, 6);
  EXPECT_EQ(plan.pictures, 6);
  EXPECT_EQ(plan.largest.image_width, 40);
  EXPECT_EQ(plan.largest.image_height, 36);
}

// What the probe of few layers says is what the model itself keeps: here they have the same number
// of layers.
TEST_F(PlanTest, TheProbeKeepsWhatTheModelKeeps) {
  for (const char* precision : {"fp32", "bf16"}) {
    auto options = config();
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.batch_size = 2;
    auto bundle = open_bundle(root_ / "start");
    const auto trained = choose_trained(bundle, options.train);
    const auto dtype = precision_named("", precision);
    const FrozenStorage frozen(bundle, dtype);
    TrainingSet data(options.data, bundle);
    FeatureCache cache(*bundle.model, bundle.options, dtype, 1 << 24);
    fill_features(data, cache);
    const BatchMaker batches(data, cache, 0);
    bundle.model->language().train(true);
    std::vector<std::string> names, adapted;
    for (const auto& parameter : trained) names.push_back(parameter.name);
    for (const auto& [name, layer] : bundle.model->modules_of_type<Linear>()) {
      if (layer->has_adapter()) adapted.push_back(name);
    }
    const std::vector<std::size_t> indices = {0, 1};
    StepShape shape{.dialogues = 2, .image_height = 36, .image_width = 40};
    for (const auto index : indices) {
      shape.tokens += data.records[index].tokens;
      shape.labelled += data.records[index].labelled;
      shape.masks += data.records[index].masks;
    }
    double kept = 0, gradients = 0;
    for (int run = 0; run < 2; ++run) {
      TensorMemory count;
      TimeTable times;
      const auto batch = batches.complete(batches.load({{.sample = 0}, {.sample = 1}}));
      const auto before = count.live();
      MicroBatchOutput output;
      {
        const AutocastScope autocast(at::kCPU, dtype);
        output = forward_micro_batch(*bundle.model, batch, options.train.loss, times);
      }
      kept = static_cast<double>(count.live() - before);
      output.total.backward();
      output = {};
      gradients = static_cast<double>(count.live() - before);
      for (const auto& parameter : trained) parameter.tensor.mutable_grad().reset();
    }
    const auto probed = probe_step(bundle.options, options.train, names, adapted, shape, 2);
    EXPECT_NEAR(probed.memory.kept, kept, 0.02 * kept) << precision;
    EXPECT_NEAR(probed.memory.gradients, gradients, 0.02 * gradients) << precision;
    EXPECT_GT(probed.memory.transient, 0);
    // A model of two layers is told from one and two: the same again.
    const auto told = extrapolate_step(bundle.options, options.train, names, adapted, shape);
    EXPECT_NEAR(told.memory.kept, probed.memory.kept, 1e-3 * kept);
  }
}

TEST_F(PlanTest, ALongerBatchKeepsMore) {
  auto options = config();
  options.train.batch_size = 1;
  options.train.accumulation = 4;
  const auto small = make_plan(options);
  ASSERT_EQ(small.proposals.size(), 6U);  // 1 x 4, 2 x 2, 4 x 1, without and with checkpointing
  EXPECT_EQ(small.proposals[2].accumulation, 2);
  EXPECT_EQ(small.proposals[2].activation_checkpointing, ActivationCheckpointing::kNone);
  EXPECT_EQ(small.proposals[3].activation_checkpointing, ActivationCheckpointing::kBlocks);
  EXPECT_LT(small.proposals[0].peak_bytes, small.proposals[4].peak_bytes);
  EXPECT_NEAR(small.proposals[0].peak_bytes, small.peak_bytes(), 1.0);
  options.train.batch_size = 4;
  options.train.accumulation = 1;
  const auto large = make_plan(options);
  EXPECT_GT(of(large.peak, "step"), of(small.peak, "step"));
  EXPECT_EQ(of(large.peak, "optimiser"), of(small.peak, "optimiser"));
}

TEST_F(PlanTest, TheMovingAverageAndReplayCount) {
  auto options = config();
  const auto plain = make_plan(options);
  options.train.ema.decay = 0.9;
  options.train.replay.masks = 64;
  const auto more = make_plan(options);
  EXPECT_DOUBLE_EQ(of(more.peak, "optimiser"), 1.5 * of(plain.peak, "optimiser"));
  EXPECT_GT(of(more.peak, "step"), of(plain.peak, "step"));
  EXPECT_EQ(of(plain.peak, "replayed masks"), 0.0);
  EXPECT_NEAR(of(more.peak, "replayed masks"), 5.0 * 40 * 36, 1.0);  // all five drawn by then
  EXPECT_GT(of(more.seconds, "replay"), 0.0);
  EXPECT_EQ(more.json()["memory"].size(), more.peak.size());
}

TEST_F(PlanTest, SaysWhatTrainingWouldSay) {
  auto options = config();
  options.train.trainable = {"mask_decoder", "text_hidden_fc_s"};
  EXPECT_THROW(make_plan(options), ConfigError);
  options = config();
  options.train.replay = {.masks = 2, .memory = 8, .pool = 3, .weight = 1.0};
  EXPECT_THROW(make_plan(options), ConfigError);  // 3 does not divide the grid of 8
  options = config();
  options.train.standardise_vision = true;
  EXPECT_THROW(make_plan(options), ConfigError);  // no projector trains
  options = config();
  options.data.max_tokens = 8;
  EXPECT_THROW(make_plan(options), DataError);
  options = config();
  options.model = (root_ / "none").string();
  EXPECT_THROW(make_plan(options), CheckpointError);
}

}  // namespace
}  // namespace medseg::tiny
