// What a config can make train: rank-stabilised adapters, projections by pattern, the whole
// language model.
#include <set>

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "medseg/base/error.h"
#include "medseg/exchange/model_export.h"
#include "medseg/training/trainer.h"
#include "medseg/weights/peft.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Recipes : public TinyRun {
 protected:
  void run(const TrainConfig& options, const std::string& name) const {
    train(options, {.out = root_ / name, .resume = false, .command = "test"});
  }
  std::string refusal(const TrainConfig& options) const {
    try {
      run(options, "refused");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  std::set<std::string> trained_by(const std::string& run) const {
    std::set<std::string> names;
    const auto state = open_tensor_file(root_ / run / "last/training.safetensors");
    for (const auto& info : state->tensors()) {
      if (info.name.starts_with("param.")) names.insert(info.name.substr(6));
    }
    return names;
  }
  /// Of the parameters in both bundles, those that differ.
  std::set<std::string> moved_by(const std::string& run) const {
    std::set<std::string> names;
    const auto before = open_tensor_file(root_ / "start/model.safetensors");
    const auto after = open_tensor_file(root_ / run / "last/model.safetensors");
    for (const auto& info : before->tensors()) {
      if (!at::equal(before->load(info.name), after->load(info.name))) names.insert(info.name);
    }
    return names;
  }
};

TEST_F(Recipes, RankStabilisedAdaptersAreWhatPeftMakesOfThem) {
  auto options = config();
  options.train.lora.rank = 9;
  options.train.lora.alpha = 6;
  options.train.lora.rslora = true;
  run(options, "rs");
  export_bundle({.bundle = root_ / "rs/last", .layout = ExportLayout::kPeft}, root_ / "adapter");
  const auto written = nlohmann::json::parse(read_file(root_ / "adapter/adapter_config.json"));
  EXPECT_EQ(written["use_rslora"], true);
  EXPECT_EQ(written["lora_alpha"], 6);
  const auto adapter = read_adapter(root_ / "adapter");
  ASSERT_EQ(adapter.layers.size(), 4U);
  for (const auto& layer : adapter.layers) EXPECT_DOUBLE_EQ(layer.scale, 2.0);  // 6 / sqrt 9

  const std::shared_ptr<const TensorFile> base =
      open_tensor_file(root_ / "start/model.safetensors");
  const auto merged = with_adapter(base, adapter);
  const auto ours = open_tensor_file(root_ / "rs/last/model.safetensors");
  for (const auto& layer : adapter.layers) {
    const auto name = layer.module + ".weight";
    EXPECT_TRUE(at::equal(merged->load(name), ours->load(name))) << name;
    EXPECT_FALSE(at::equal(base->load(name), ours->load(name))) << name;
  }

  options.train.lora.adapter = (root_ / "adapter").string();
  options.train.steps = 1;
  options.train.optimizer.lr = 0;
  run(options, "again");
  const auto again = open_tensor_file(root_ / "again/last/model.safetensors");
  for (const auto& layer : adapter.layers) {
    const auto name = layer.module + ".weight";
    EXPECT_TRUE(at::equal(again->load(name), ours->load(name))) << name;
  }
  options.train.lora.rslora = false;
  EXPECT_THAT(refusal(options), HasSubstr("train.lora.rslora: false, but "));
}

TEST_F(Recipes, AdaptersGoWhereGlobsSay) {
  auto options = config();
  options.train.steps = 1;
  options.train.trainable = {"text_hidden_fcs"};
  options.train.lora.targets = {"model.layers.[1-9].*.[kv]_proj", "o_proj"};
  run(options, "some");
  std::set<std::string> adapted;
  for (const auto& name : trained_by("some")) {
    const auto at = name.find(".lora_B");
    if (at != std::string::npos) adapted.insert(name.substr(0, at));
  }
  EXPECT_THAT(adapted,
              ElementsAre("model.layers.0.self_attn.o_proj", "model.layers.1.self_attn.k_proj",
                          "model.layers.1.self_attn.o_proj", "model.layers.1.self_attn.v_proj"));

  // PEFT adapts each module that a target names, so the layers that are left out must not be named.
  options.train.lora.targets = {"model.layers.1.*.q_proj"};
  run(options, "one");
  export_bundle({.bundle = root_ / "one/last", .layout = ExportLayout::kPeft}, root_ / "adapter");
  const auto written = nlohmann::json::parse(read_file(root_ / "adapter/adapter_config.json"));
  EXPECT_EQ(written["target_modules"], nlohmann::json::array({"model.layers.1.self_attn.q_proj"}));
  const auto adapter = read_adapter(root_ / "adapter");
  EXPECT_NO_THROW(with_adapter(open_tensor_file(root_ / "start/model.safetensors"), adapter));

  options.train.lora.targets = {"*"};
  run(options, "all");
  std::size_t count = 0;
  for (const auto& name : trained_by("all")) count += name.ends_with("lora_A.weight") ? 1 : 0;
  EXPECT_EQ(count, 14U);  // seven projections of two layers

  options.train.lora.targets = {"model.layers.*.qproj"};
  EXPECT_THAT(refusal(options), HasSubstr("train.lora.targets: \"model.layers.*.qproj\" names no"));
  options.train.lora.targets = {"q_proj"};
  options.train.trainable = {"model.layrs.*"};
  EXPECT_THAT(refusal(options), HasSubstr("train.trainable: \"model.layrs.*\" names no parameter"));
  options.train.trainable = {"*"};
  EXPECT_THAT(refusal(options), HasSubstr("encoders are frozen"));
}

TEST_F(Recipes, TheWholeLanguageModelTrainsAtItsOwnRates) {
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    for (const bool tied : {true, false}) {
      write_start(root_ / "start", tied);
      auto options = config();
      options.train.precision = choice_named<Precision>("precision", precision);
      options.train.lora.rank = 0;
      options.train.token_rows = TokenRows::kAll;
      options.train.trainable = {"model.layers.*", "model.norm.weight", "model.embed_tokens.*",
                                 "lm_head", "text_hidden_fcs"};
      options.train.optimizer.lr = 1e-3;
      options.train.optimizer.groups = {
          {{"model.layers.0.*"}, 0.0, 0.5},
          {{"model.layers.*.weight", "model.norm.weight"}, 4e-3, 0.0}};
      options.train.steps = 30;
      options.train.batch_size = 6;
      const std::string name = str_cat(precision, tied);
      run(options, name);
      const auto lines = metrics(name);
      EXPECT_LT(lines.back()["loss_text"].get<double>(),
                0.8 * lines.front()["loss_text"].get<double>())
          << name;
      const auto moved = moved_by(name);
      const auto start = open_tensor_file(root_ / "start/model.safetensors");
      for (const auto& info : start->tensors()) {
        const bool first = info.name.starts_with("model.layers.0.");  // at a rate of 0
        const bool language = info.name.starts_with("model.layers.") ||
                              info.name == "model.norm.weight" || info.name == "lm_head.weight" ||
                              info.name == "model.embed_tokens.weight";
        EXPECT_EQ(moved.contains(info.name),
                  (language && !first) || info.name.find("text_hidden_fcs") != std::string::npos)
            << info.name << " " << name;
      }
    }
  }
}

TEST_F(Recipes, OldTokenRowsStayBitForBit) {
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    for (const bool tied : {true, false}) {
      write_start(root_ / "start", tied);
      auto options = config();
      options.train.precision = choice_named<Precision>("precision", precision);
      if (!tied) options.train.trainable.push_back("lm_head");
      options.train.optimizer.weight_decay = 0.3;
      options.train.ema.decay = 0.9;
      options.train.steps = 10;
      const std::string name = str_cat("rows-", precision, tied);
      run(options, name);
      const auto before = open_tensor_file(root_ / "start/model.safetensors");
      const auto after = open_tensor_file(root_ / name / "last/model.safetensors");
      std::vector<std::string> matrices = {"model.embed_tokens.weight"};
      if (!tied) matrices.push_back("lm_head.weight");
      for (const auto& matrix : matrices) {
        const auto was = before->load(matrix), is = after->load(matrix);
        EXPECT_TRUE(at::equal(was.slice(0, 0, kFirstAdded), is.slice(0, 0, kFirstAdded))) << name;
        for (auto row = kFirstAdded; row < was.size(0); ++row)
          EXPECT_FALSE(at::equal(was[row], is[row])) << matrix << " " << row << " " << name;
      }
    }
  }
}

}  // namespace
}  // namespace medseg::tiny
