// PEFT folders: reading, refusals, and that merged weights equal the adapted layer.
#include "medseg/weights/peft.h"

#include <filesystem>
#include <functional>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/layouts.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

fs::path golden(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

class Peft : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// The golden adapter with a changed config and changed tensors.
  fs::path changed(
      const std::function<void(Json&)>& config,
      const std::function<void(std::vector<std::pair<std::string, at::Tensor>>&)>& tensors = {}) {
    auto json = Json::parse(read_file(golden("adapter/adapter_config.json")));
    if (config) config(json);
    write_file(folder_ / "adapter_config.json", json.dump());
    const auto file = open_tensor_file(golden("adapter/adapter_model.safetensors"));
    std::vector<std::pair<std::string, at::Tensor>> list;
    for (const auto& info : file->tensors()) list.emplace_back(info.name, file->load(info.name));
    if (tensors) tensors(list);
    write_safetensors(folder_ / "adapter_model.safetensors", list);
    return folder_;
  }

  static std::string refusal(const std::function<void()>& action) {
    try {
      action();
    } catch (const CheckpointError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "no CheckpointError";
  }
  void expect_refused(
      const std::string& part, const std::function<void(Json&)>& config,
      const std::function<void(std::vector<std::pair<std::string, at::Tensor>>&)>& tensors = {}) {
    const auto folder = changed(config, tensors);
    const auto what = refusal([&] { read_adapter(folder); });
    EXPECT_NE(what.find(part), std::string::npos) << what << " does not say: " << part;
  }
  static std::shared_ptr<const TensorFile> lisa() {
    return under_our_names(open_tensor_file(golden("lisa")), layout_of("lisa")).file;
  }

  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-peft-", ::getpid());
};

TEST_F(Peft, ReadsListsOfTargets) {
  const auto adapter = read_adapter(golden("adapter"));
  ASSERT_EQ(adapter.layers.size(), 4U);
  EXPECT_EQ(adapter.base, "xinlai/LISA-7B-v1");
  EXPECT_TRUE(adapter.replaced.empty());
  for (const auto& layer : adapter.layers) {
    EXPECT_EQ(layer.rank(), 4);
    EXPECT_DOUBLE_EQ(layer.scale, 3.0);
  }
}

TEST_F(Peft, ReadsPatternsRanksOfTheirOwnAndRankStabilisedScales) {
  const auto adapter = read_adapter(golden("adapter_rs"));
  ASSERT_EQ(adapter.layers.size(), 4U);
  std::map<std::string, std::pair<std::int64_t, double>> got;
  for (const auto& layer : adapter.layers) got[layer.module] = {layer.rank(), layer.scale};
  EXPECT_EQ(got["model.layers.0.self_attn.q_proj"], std::pair(std::int64_t{4}, 3.0));  // 6 / √4
  EXPECT_EQ(got["model.layers.1.self_attn.q_proj"], std::pair(std::int64_t{4}, 5.0));  // 10 / √4
  EXPECT_EQ(got["model.layers.0.mlp.down_proj"].first, 2);
  EXPECT_NEAR(got["model.layers.0.mlp.down_proj"].second, 6 / std::sqrt(2.0), 1e-12);
  std::set<std::string>
      replaced;  // "norm" of modules_to_save means every module whose name ends in it
  for (const auto& [name, tensor] : adapter.replaced) replaced.insert(name);
  EXPECT_EQ(replaced.size(), 5U);
  EXPECT_TRUE(replaced.contains("model.norm.weight"));
  EXPECT_TRUE(replaced.contains("model.layers.1.post_attention_layernorm.weight"));
}

TEST_F(Peft, MergedWeightsAreBasePlusScaledProduct) {
  const auto base = lisa();
  const auto adapter = read_adapter(golden("adapter_rs"));
  const auto merged = with_adapter(base, adapter);
  ASSERT_EQ(merged->tensors().size(), base->tensors().size());
  for (const auto& layer : adapter.layers) {
    const auto expected =
        base->load(layer.module + ".weight").to(at::kFloat) + layer.scale * layer.b.mm(layer.a);
    EXPECT_TRUE(at::allclose(merged->load(layer.module + ".weight"), expected, 1e-6, 1e-7));
  }
  for (const auto& [name, tensor] : adapter.replaced)
    EXPECT_TRUE(at::equal(merged->load(name), tensor)) << name;
  EXPECT_TRUE(at::equal(merged->load("lm_head.weight"), base->load("lm_head.weight")));
}

TEST_F(Peft, IsWrittenAsItWasRead) {
  for (const char* name : {"adapter", "adapter_rs"}) {
    const auto adapter = read_adapter(golden(name));
    write_adapter(folder_, adapter);
    const auto again = read_adapter(folder_);
    ASSERT_EQ(again.layers.size(), adapter.layers.size());
    for (std::size_t i = 0; i < again.layers.size(); ++i) {
      EXPECT_EQ(again.layers[i].module, adapter.layers[i].module);
      EXPECT_NEAR(again.layers[i].scale, adapter.layers[i].scale, 1e-12);
      EXPECT_TRUE(at::equal(again.layers[i].a, adapter.layers[i].a));
      EXPECT_TRUE(at::equal(again.layers[i].b, adapter.layers[i].b));
    }
    EXPECT_EQ(again.replaced.size(), adapter.replaced.size());
    EXPECT_EQ(again.rank_stabilised, adapter.rank_stabilised);
  }
}

TEST_F(Peft, NamesOfAnotherLayoutAreTranslated) {
  const auto& layout = layout_of("llava-hf");
  changed({}, [](auto& tensors) {
    for (auto& [name, tensor] : tensors)
      name.replace(0, std::string("base_model.model.").size(), "base_model.model.language_model.");
  });
  const auto adapter =
      read_adapter(folder_, [&](const std::string& name) { return our_name(layout, name); });
  EXPECT_EQ(adapter.layers.front().module, "model.layers.0.self_attn.q_proj");
}

TEST_F(Peft, OtherKindsAreRefusedByName) {
  expect_refused("DoRA", [](Json& c) { c["use_dora"] = true; });
  expect_refused("fan_in_fan_out", [](Json& c) { c["fan_in_fan_out"] = true; });
  expect_refused("bias", [](Json& c) { c["bias"] = "lora_only"; });
  expect_refused("\"ADALORA\"", [](Json& c) { c["peft_type"] = "ADALORA"; });
  expect_refused("pissa", [](Json& c) { c["init_lora_weights"] = "pissa_niter_4"; });
  expect_refused("lora_magnitude_vector", {}, [](auto& tensors) {
    tensors.emplace_back("base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
                         at::ones({16}));
  });
}

TEST_F(Peft, ContradictionsAreNamed) {
  expect_refused("r: missing", [](Json& c) { c.erase("r"); });
  expect_refused("r: expected a rank", [](Json& c) { c["r"] = -1; });
  expect_refused("lora_alpha", [](Json& c) { c["lora_alpha"] = "much"; });
  expect_refused("says rank 8", [](Json& c) { c["r"] = 8; });
  expect_refused("not among target_modules",
                 [](Json& c) { c["target_modules"] = Json::array({"q_proj"}); });
  expect_refused("is not a regular expression", [](Json& c) { c["target_modules"] = "(q_proj"; });
  expect_refused("too many steps", [](Json& c) { c["target_modules"] = "(([a-z_.0-9]+)+)+[0-9]"; });
  expect_refused("no tensor lora_B", {}, [](auto& tensors) { tensors.erase(tensors.begin() + 1); });
  expect_refused("does not begin with base_model.model.", {},
                 [](auto& tensors) { tensors[0].first = "x"; });
  expect_refused("is not of modules_to_save", {}, [](auto& tensors) {
    tensors.emplace_back("base_model.model.model.norm.weight", at::ones({16}));
  });
  expect_refused("a matrix is expected", {},
                 [](auto& tensors) { tensors[0].second = at::ones({4}); });
  write_file(folder_ / "adapter_config.json", "[1, 2");
  EXPECT_NE(refusal([&] { read_adapter(folder_); }).find("not a JSON object"), std::string::npos);
  fs::remove(folder_ / "adapter_config.json");
  EXPECT_NE(refusal([&] { read_adapter(folder_); }).find("adapter_config.json"), std::string::npos);
}

TEST_F(Peft, AnotherModelsAdapterIsRefused) {
  const auto base = lisa();
  const auto refused = [&](const std::string& part, const Adapter& adapter) {
    const auto what = refusal([&] { with_adapter(base, adapter); });
    EXPECT_NE(what.find(part), std::string::npos) << what;
  };
  auto adapter = read_adapter(golden("adapter"));
  adapter.layers.front().module = "model.layers.7.self_attn.q_proj";
  refused("model.layers.7.self_attn.q_proj: the model has no such layer", adapter);
  adapter = read_adapter(golden("adapter"));
  adapter.layers.front().a = at::ones({4, 12});
  refused("the adapter is for a weight of [16, 12], the model has [16, 16]", adapter);
  adapter = read_adapter(golden("adapter"));
  adapter.layers.pop_back();
  refused("no tensors for 1 of the model's layers: model.layers.1.self_attn.v_proj", adapter);
}

}  // namespace
}  // namespace medseg
