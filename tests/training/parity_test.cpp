// Twenty steps against transformers, peft and torch.optim on the same weights.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/nn/linear.h"
#include "medseg/training/schedule.h"
#include "medseg/training/step.h"
#include "medseg/training/trained.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

std::vector<std::vector<std::int64_t>> rows(const at::Tensor& matrix) {
  std::vector<std::vector<std::int64_t>> lists;
  for (std::int64_t i = 0; i < matrix.size(0); ++i) {
    const auto row = matrix[i].contiguous();
    lists.emplace_back(row.data_ptr<std::int64_t>(), row.data_ptr<std::int64_t>() + row.numel());
  }
  return lists;
}

void copy_into(at::Tensor& to, const at::Tensor& from) {
  const at::NoGradGuard no_grad;
  to.copy_(from);
}

TEST(Parity, LoraClipAdamWAndScheduleAreThoseOfPython) {
  const auto file = open_tensor_file(MEDSEG_SOURCE_DIR "/tests/golden/training/lora.safetensors");
  SegmenterOptions options;
  options.language = {.vocabulary = 64,
                      .width = 32,
                      .layers = 2,
                      .heads = 4,
                      .kv_heads = 2,
                      .mlp_width = 48,
                      .norm_eps = 1e-5,
                      .rope_theta = 10000.0,
                      .tied_head = false,
                      .max_positions = 64};
  options.vision.tower = "";
  options.grounding.encoder = "";
  OpenBundle bundle;
  bundle.model = std::make_unique<Segmenter>(options);
  for (auto& [name, tensor] : bundle.model->named_parameters())
    copy_into(*tensor, file->load("weight." + name));

  TrainOptions train;
  train.steps = 20;
  train.accumulation = 2;
  train.precision = "fp32";
  train.trainable = {"lm_head"};
  train.lora = {
      .rank = 4, .alpha = 8, .dropout = 0, .targets = {"q_proj", "v_proj"}, .adapter = ""};
  train.optimizer.lr = 1e-2;
  train.optimizer.weight_decay = 0.01;
  train.optimizer.groups = {{{"lm_head"}, 2e-3, 0.01}};
  train.schedule = {.type = "linear", .warmup_steps = 5};
  AdamW optimizer(train.optimizer, choose_trained(bundle, train));
  for (const auto& parameter : optimizer.parameters()) {
    auto tensor = parameter.tensor;
    if (parameter.name != "lm_head.weight") copy_into(tensor, file->load("lora." + parameter.name));
  }

  const auto ids = file->load("ids"), labels = file->load("labels"), loss = file->load("loss"),
             norm = file->load("grad_norm"), rate = file->load("rate");
  TimeTable times;
  for (std::int64_t step = 0; step < train.steps; ++step) {
    StepReport report;
    for (std::int64_t i = 0; i < train.accumulation; ++i) {
      TrainingBatch batch;
      batch.dialogues.ids = rows(ids[step * train.accumulation + i]);
      batch.dialogues.labels = rows(labels[step * train.accumulation + i]);
      backward_micro_batch(*bundle.model, batch, train, step, report, times);
    }
    const double factor = rate_factor(train.schedule, step, train.steps);
    const auto expect_near = [&](double got, const at::Tensor& expected, const char* what) {
      const auto value = expected[step].item<double>();
      EXPECT_NEAR(got, value, 1e-4 * std::abs(value)) << what << " of step " << step;
    };
    expect_near(report.text, loss, "loss");
    expect_near(clip_gradients(optimizer.parameters(), 0.5), norm, "norm");
    expect_near(train.optimizer.lr * factor, rate, "rate");
    optimizer.step(factor);
  }
  for (const auto& parameter : optimizer.parameters()) {
    EXPECT_TRUE(at::allclose(parameter.tensor, file->load("final." + parameter.name), 1e-3, 1e-4))
        << parameter.name;
  }
}

}  // namespace
}  // namespace medseg
