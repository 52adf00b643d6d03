#include <gtest/gtest.h>

#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg {
namespace {

using tiny::TinyRun;

class Replay : public TinyRun {
 protected:
  void run(const TrainConfig& config, const std::string& name, bool resume = false) const {
    train(config, {.out = root_ / name, .resume = resume, .command = "test"});
  }
  at::Tensor tensor_of(const std::string& folder, const std::string& name) const {
    return open_tensor_file(root_ / folder)->load(name).clone();
  }
};

// AdamW's first step is the sign of a gradient: among thousands of them some differ.
const char* const decoder = "model.grounding_encoder.mask_decoder.output_upscaling.3.weight";

TEST_F(Replay, RemembersPromptsOverAResume) {
  auto options = config();
  options.train.replay = {.masks = 3, .memory = 2, .weight = 0.5};
  options.train.steps = 6;
  run(options, "whole");
  options.train.steps = 3;
  run(options, "halves");
  options.train.steps = 6;
  run(options, "halves", /*resume=*/true);
  EXPECT_EQ(metrics("whole"), metrics("halves"));
  for (const char* file : {"model.safetensors", "training.safetensors"}) {
    EXPECT_EQ(read_file(root_ / "whole/last" / file), read_file(root_ / "halves/last" / file))
        << file;
  }
  const auto state = open_tensor_file(root_ / "whole/last/training.safetensors");
  EXPECT_EQ(state->load("replay.box").size(0), 2);
}

TEST_F(Replay, PoolsTheFeatureGridWhereThatDividesIt) {
  auto options = config();
  options.train.steps = 1;
  options.train.replay = {.masks = 4, .pool = 2};
  run(options, "pooled");
  options.train.replay.pool = 1;
  run(options, "full");
  EXPECT_FALSE(at::equal(tensor_of("pooled/last", decoder), tensor_of("full/last", decoder)));
  options.train.replay.pool = 7;
  try {
    run(options, "odd");
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("train.replay.pool: 7 does not divide"));
    EXPECT_FALSE(std::filesystem::exists(root_ / "odd"));  // said before anything is begun
  }
}

TEST_F(Replay, MovesTheDecoderAndChangesNothingWhenOff) {
  auto options = config();
  options.train.steps = 1;
  run(options, "off");
  options.train.replay.masks = 4;
  run(options, "on");
  const std::string head = "model.text_hidden_fcs.0.2.bias";
  EXPECT_FALSE(at::equal(tensor_of("on/last", decoder), tensor_of("off/last", decoder)));
  // The step's own losses are those of the run without replay: they were taken before it.
  EXPECT_EQ(metrics("on").front().at("loss"), metrics("off").front().at("loss"));
  EXPECT_FALSE(at::equal(tensor_of("on/last", head), tensor_of("start", head)));
}

TEST_F(Replay, PromptGradientOfZeroKeepsTheMasksOutOfTheLanguageModel) {
  auto options = config();
  options.train.loss.text = 0;
  options.train.loss.prompt_gradient = 0;
  options.train.trainable = {"mask_decoder", "text_hidden_fcs"};
  run(options, "apart");
  const std::string projection = "model.layers.1.self_attn.q_proj.weight";
  EXPECT_TRUE(at::equal(tensor_of("apart/last", projection), tensor_of("start", projection)));
  options.train.loss.prompt_gradient = 1;
  run(options, "joined");
  EXPECT_FALSE(at::equal(tensor_of("joined/last", projection), tensor_of("start", projection)));
}

}  // namespace
}  // namespace medseg
