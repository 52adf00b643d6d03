// Whole runs beside a language model in 8 or 4 bits.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "medseg/base/error.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/models/llama.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/precision.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

using testing::HasSubstr;

class LowBitRun : public TinyRun {
 protected:
  void run(const TrainConfig& config, const std::string& name, bool resume = false) const {
    train(config, {.out = root_ / name, .resume = resume, .command = "test"});
  }

  TrainConfig low_bit(const std::string& storage, const std::string& precision) const {
    auto options = config();
    options.train.frozen_storage = choice_named<FrozenFormat>("storage", storage);
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.lora.targets = {"q_proj", "v_proj", "down_proj"};
    options.train.lora.dropout = 0.1;
    return options;
  }

  std::string fault_of(const TrainConfig& config) const {
    try {
      run(config, "fault");
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }

  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"}) {
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file))
          << a << " " << file;
    }
  }
};

TEST_F(LowBitRun, LearnsAndGoesOnBitForBit) {
  for (const auto& [storage, precision] : {std::pair{"nf4", "fp32"}, std::pair{"nf4", "bf16"},
                                           std::pair{"int8", "bf16"}, std::pair{"int8", "fp16"}}) {
    const auto name = str_cat(storage, "-", precision);
    auto options = low_bit(storage, precision);
    options.train.accumulation = 2;
    options.train.batch_size = 3;
    options.train.steps = 16;
    run(options, name);
    const auto lines = metrics(name);
    EXPECT_LT(lines.back()["loss"].get<double>(), 0.9 * lines.front()["loss"].get<double>())
        << name;

    options.train.steps = 7;
    run(options, name + "-halves");
    options.train.steps = 16;
    options.train.activation_checkpointing = ActivationCheckpointing::kBlocks;
    run(options, name + "-halves", /*resume=*/true);
    expect_same(name, name + "-halves");
  }
}

TEST_F(LowBitRun, TheBundleIsTheModelThatWasTrained) {
  for (const auto& [storage, precision] :
       {std::pair{"nf4", "fp32"}, std::pair{"nf4", "bf16"}, std::pair{"int8", "fp16"}}) {
    const auto name = str_cat(storage, "-", precision);
    auto options = low_bit(storage, precision);
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "train", 1.0}};
    options.train.steps = 20;
    options.train.optimizer.lr = 1e-2;
    options.train.ema.decay = 0.5;
    run(options, name);
    const auto line = metrics(name).back();

    // Its answers score as they did in the run.
    auto bundle = open_bundle(root_ / name / "last");
    const auto dtype = precision_named("precision", precision);
    prepare_for_inference(bundle, dtype);
    FeatureCache cache(*bundle.model, bundle.options, dtype, 1 << 30);
    EvaluationOptions evaluation;
    evaluation.generation.max_new_tokens = bundle.options.max_new_tokens;
    evaluation.precision = dtype;
    evaluation.show_progress = false;
    const auto scores =
        evaluate(bundle, Manifest::read(root_ / "data/manifest.jsonl"), "train", cache, evaluation)
            .scores;
    EXPECT_EQ(line["giou"].get<double>(), scores.giou) << name;
    EXPECT_EQ(line["seg_count_accuracy"].get<double>(), scores.seg_count_accuracy) << name;

    // What few bits stand for, adapters added where there are some; everything else frozen as it
    // came.
    const auto before = open_tensor_file(root_ / "start/model.safetensors");
    const auto after = open_tensor_file(root_ / name / "last/model.safetensors");
    const auto state = open_tensor_file(root_ / name / "last/training.safetensors");
    const auto type = low_bit_type_named("test", storage);
    std::size_t adapted = 0, rounded = 0;
    for (const auto& info : before->tensors()) {
      const bool projection = info.name.starts_with("model.layers.") && info.shape.size() == 2;
      if (!projection) continue;
      auto expected = LowBitMatrix(before->load(info.name), type).dequantised(at::kFloat);
      const auto module = info.name.substr(0, info.name.size() - std::string(".weight").size());
      if (state->contains("ema." + module + ".lora_A.weight")) {
        expected = at::addmm(expected, state->load("ema." + module + ".lora_B.weight"),
                             state->load("ema." + module + ".lora_A.weight"), 1.0, 16.0 / 8.0);
        ++adapted;
      } else {
        ++rounded;
      }
      EXPECT_TRUE(at::equal(after->load(info.name), expected)) << info.name;
    }
    EXPECT_EQ(adapted, 6U);
    EXPECT_EQ(rounded, 8U);
  }
}

TEST_F(LowBitRun, ABundleInBf16StaysSo) {
  const auto options_of_start = read_bundle_options(root_ / "start");
  const auto model = load_segmenter(root_ / "start", options_of_start);
  cast_parameters(model->language(), at::kBFloat16, is_frozen_matrix);
  AtomicFolder bundle(root_ / "narrow");
  save_bundle(bundle.path(), *model, options_of_start, {});
  make_byte_tokenizer()->save(bundle.path());
  bundle.commit();
  for (const auto& [precision, dtype] : {std::pair{"bf16", "BF16"}, std::pair{"fp32", "F32"}}) {
    auto options = low_bit("nf4", precision);
    options.model = (root_ / "narrow").string();
    options.train.steps = 2;
    run(options, precision);
    const auto after = open_tensor_file(root_ / precision / "last/model.safetensors");
    for (const auto& info : after->tensors()) {
      if (info.name.ends_with("gate_proj.weight")) EXPECT_EQ(info.dtype, dtype) << precision;
      if (info.name.ends_with("down_proj.weight")) EXPECT_EQ(info.dtype, "F32");
    }
  }
}

TEST_F(LowBitRun, WhatCannotBeMeantIsRefused) {
  auto options = low_bit("nf4", "fp32");
  auto json = write_options(options);
  json["train"]["frozen_storage"] = "nf3";
  EXPECT_THAT([&] { read_train_config(json); },
              testing::ThrowsMessage<ConfigError>(
                  HasSubstr("train.frozen_storage: unknown \"nf3\" (did you mean")));
  options.train.lora.rank = 0;
  options.train.trainable.push_back("model.layers.*");
  EXPECT_THAT(fault_of(options), HasSubstr("every projection of the language model trains [2]"));

  const auto model = load_segmenter(root_ / "start", read_bundle_options(root_ / "start"));
  for (const auto& [name, tensor] : model->named_parameters()) {
    if (name == "model.layers.1.mlp.up_proj.weight") (*tensor)[2][3] = INFINITY;
  }
  auto bundle_options = read_bundle_options(root_ / "start");
  AtomicFolder bundle(root_ / "broken");
  save_bundle(bundle.path(), *model, bundle_options, {});
  make_byte_tokenizer()->save(bundle.path());
  bundle.commit();
  options = low_bit("int8", "fp32");
  options.model = (root_ / "broken").string();
  EXPECT_THAT(
      fault_of(options),
      HasSubstr("broken: model.layers.1.mlp.up_proj.weight: values that are not finite [4]"));
}

}  // namespace
}  // namespace medseg::tiny
