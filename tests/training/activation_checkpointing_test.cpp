// Whole runs with the language model's layers run twice: the same metrics and the same bits.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/models/llama.h"
#include "medseg/nn/tensor_memory.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

class CheckpointingRun : public TinyRun {
 protected:
  void run(const TrainConfig& config, const std::string& name, bool resume = false) const {
    train(config, {.out = root_ / name, .resume = resume, .command = "test"});
  }

  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"}) {
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file))
          << a << " " << file;
    }
  }
};

TEST_F(CheckpointingRun, EndsWithTheBitsOfAPlainRun) {
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    auto options = config();
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.accumulation = 2;
    options.train.lora.dropout = 0.2;
    options.train.lora.targets = {"q_proj", "v_proj", "down_proj"};
    options.train.replay.masks = 2;
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
    run(options, str_cat("plain-", precision));
    options.train.activation_checkpointing = ActivationCheckpointing::kBlocks;
    run(options, str_cat("blocks-", precision));
    expect_same(str_cat("plain-", precision), str_cat("blocks-", precision));
  }
}

TEST_F(CheckpointingRun, AdaptersBehindFrozenInputsAndInTheLastLayerAloneTrain) {
  for (const char* target : {"q_proj", "model.layers.1.*.q_proj"}) {
    auto options = config();
    options.train.trainable = {"mask_decoder", "text_hidden_fcs"};  // the token rows stay frozen
    options.train.lora.targets = {target};
    options.train.lora.dropout = 0.1;
    run(options, str_cat("plain-", target));
    options.train.activation_checkpointing = ActivationCheckpointing::kBlocks;
    run(options, str_cat("blocks-", target));
    expect_same(str_cat("plain-", target), str_cat("blocks-", target));
    const std::string name = "model.layers.1.self_attn.q_proj.weight";
    EXPECT_FALSE(
        at::equal(open_tensor_file(root_ / "start/model.safetensors")->load(name),
                  open_tensor_file(root_ / str_cat("blocks-", target) / "last/model.safetensors")
                      ->load(name)));
  }
}

TEST_F(CheckpointingRun, AWholeLanguageModelTrains) {
  auto options = config();
  options.train.lora.rank = 0;
  options.train.token_rows = TokenRows::kAll;
  options.train.trainable = {"mask_decoder", "text_hidden_fcs", "embed_tokens", "model.layers.*",
                             "model.norm.weight"};
  run(options, "plain");
  options.train.activation_checkpointing = ActivationCheckpointing::kBlocks;
  run(options, "blocks");
  expect_same("plain", "blocks");
}

TEST_F(CheckpointingRun, MayBeSwitchedOnWhenARunGoesOn) {
  auto options = config();
  options.train.lora.dropout = 0.2;
  run(options, "whole");
  options.train.steps = 2;
  run(options, "halves");
  options.train.steps = 4;
  options.train.activation_checkpointing = ActivationCheckpointing::kBlocks;
  run(options, "halves", /*resume=*/true);
  expect_same("whole", "halves");
}

TEST(LlamaCheckpointing, KeepsAnInputALayer) {
  const LlamaOptions options{.vocabulary = 40,
                             .width = 32,
                             .layers = 8,
                             .heads = 4,
                             .kv_heads = 2,
                             .mlp_width = 96,
                             .max_positions = 128};
  at::manual_seed(1);
  Llama llama(options);
  for (const auto& [name, layer] : llama.modules_of_type<Linear>()) layer->add_adapter(4, 8, 0.1);
  llama.train();
  const auto x = at::randn({2, 100, 32});
  std::int64_t kept[2] = {}, peak[2] = {};
  at::Tensor states[2];
  for (const bool on : {false, true}) {
    llama.checkpoint_layers(on);
    at::manual_seed(2);
    const TensorMemory memory;
    {
      const auto hidden = llama.forward(x);
      kept[on] = memory.live();
      hidden.square().mean().backward();
      states[on] = hidden.detach().clone();
    }
    peak[on] = memory.peak();
    for (const auto& [name, tensor] : llama.named_parameters())
      tensor->mutable_grad() = at::Tensor();
  }
  EXPECT_TRUE(at::equal(states[0], states[1]));
  const std::int64_t input = 2 * 100 * 32 * 4, generator = 5056;
  // Inputs of the layers but the first, which is x; the state before and the state behind the last
  // norm, its reciprocals.
  EXPECT_LE(kept[1], (8 + 1) * input + 8 * generator + 2 * 100 * 4);
  EXPECT_GT(kept[0], 8 * 12 * input);
  EXPECT_LT(peak[1], peak[0] / 3);
}

}  // namespace
}  // namespace medseg::tiny
