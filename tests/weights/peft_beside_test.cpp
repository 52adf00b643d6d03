// What trainers write beside an adapter, or instead of one.
#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/layouts.h"
#include "medseg/weights/peft.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

fs::path golden(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

class PeftBeside : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"adapter_config.json", "adapter_model.safetensors"})
      fs::copy(golden("adapter") / name, folder_ / name);
  }

  std::string refusal() const {
    try {
      const auto& layout = layout_of("llava");
      read_adapter(folder_.path(), [&](const auto& name) { return our_name(layout, name); });
    } catch (const CheckpointError& error) {
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "no error";
  }

  const TempFolder folder_{"peft-beside"};
};

TEST_F(PeftBeside, WhatLlavaTrainedBesideTheAdapterIsPartOfIt) {
  const auto projector = at::full({3, 2}, 0.25, at::kHalf);  // as LLaVA stores it
  // The kind is seen by the first bytes, not by the name.
  write_safetensors(folder_ / "non_lora_trainables.bin",
                    {{"base_model.model.model.mm_projector.0.weight", projector}});
  const auto adapter = read_adapter(folder_.path());
  ASSERT_EQ(adapter.replaced.size(), 1U);
  EXPECT_EQ(adapter.replaced[0].first, "model.mm_projector.0.weight");
  EXPECT_TRUE(at::equal(adapter.replaced[0].second, projector));
  const std::shared_ptr<const TensorFile> base = open_tensor_file(golden("lisa"));
  const auto merged = with_adapter(under_our_names(base, layout_of("lisa")).file, adapter);
  EXPECT_TRUE(at::equal(merged->load("model.mm_projector.0.weight"), projector));
  for (const auto& info : merged->tensors()) {
    if (info.name == "model.mm_projector.0.weight") EXPECT_EQ(info.dtype, "F16");
  }
  EXPECT_EQ(merged->path_of("model.mm_projector.0.weight"), folder_ / "non_lora_trainables.bin");
  EXPECT_EQ(merged->path_of("model.layers.0.self_attn.q_proj.weight"),
            folder_ / "adapter_model.safetensors");
}

TEST_F(PeftBeside, OtherWeightsAreRefusedAndTrainingStateIsNot) {
  write_file(folder_ / "optimizer.pt", "x");
  write_file(folder_ / "training_args.bin", "x");
  EXPECT_EQ(refusal(), "no error");
  write_file(folder_ / "mm_projector.bin", "x");
  EXPECT_NE(refusal().find("mm_projector.bin: weights beside an adapter that are not read"),
            std::string::npos);
}

TEST_F(PeftBeside, TensorsWithoutAPlaceAreNamedWithTheirFile) {
  write_safetensors(folder_ / "non_lora_trainables.bin", {{"base_model.model.x", at::ones({2})}});
  const auto what = refusal();
  EXPECT_NE(what.find("non_lora_trainables.bin: base_model.model.x: no such tensor"),
            std::string::npos)
      << what;
}

/// What zero_to_fp32.py makes of a training that did not merge: the mini LISA with its adapter,
/// under PEFT's names of the version before 0.6 (`base` = "") or after it ("base_layer.").
Tensors unmerged(const std::string& base) {
  Tensors tensors;
  const auto adapter = read_adapter(golden("adapter"));
  const auto lisa = open_tensor_file(golden("lisa"));
  for (const auto& info : lisa->tensors()) {
    auto name = info.name;
    for (const auto& layer : adapter.layers) {
      if (name == layer.module + ".weight") name = layer.module + "." + base + "weight";
    }
    tensors.emplace_back("base_model.model." + name, lisa->load(info.name).clone());
  }
  for (const auto& layer : adapter.layers) {
    const auto name = "base_model.model." + layer.module;
    tensors.emplace_back(name + ".lora_A.default.weight", layer.a);
    tensors.emplace_back(name + ".lora_B.default.weight", layer.b);
  }
  return tensors;
}

TEST_F(PeftBeside, AWholePeftModelIsTakenApart) {
  const std::shared_ptr<const TensorFile> lisa = open_tensor_file(golden("lisa"));
  const auto expected = with_adapter(lisa, read_adapter(golden("adapter")));  // alpha 12, rank 4
  EXPECT_FALSE(is_peft_model(*lisa));
  const TempFolder folder("peft-whole");
  for (const std::string base : {"", "base_layer."}) {
    const auto path = folder / "model.safetensors";
    write_safetensors(path, unmerged(base));
    const std::shared_ptr<const TensorFile> file = open_tensor_file(path);
    ASSERT_TRUE(is_peft_model(*file));
    const auto model = take_apart(file, 12.0);
    EXPECT_FALSE(model.alpha_is_stated);
    const auto merged = with_adapter(model.base, model.adapter);
    ASSERT_EQ(merged->tensors().size(), expected->tensors().size());
    for (const auto& info : expected->tensors())
      EXPECT_TRUE(at::equal(merged->load(info.name), expected->load(info.name))) << info.name;
  }
  // An adapter_config.json beside it states the alpha.
  fs::copy(golden("adapter/adapter_config.json"), folder / "adapter_config.json");
  const auto stated = take_apart(open_tensor_file(folder / "model.safetensors"), 99.0);
  EXPECT_TRUE(stated.alpha_is_stated);
  EXPECT_DOUBLE_EQ(stated.adapter.layers.front().scale, 3.0);
}

TEST_F(PeftBeside, HalfALayerIsNamed) {
  auto tensors = unmerged("");
  tensors.pop_back();
  const TempFolder folder("peft-half");
  write_safetensors(folder / "model.safetensors", tensors);
  try {
    take_apart(open_tensor_file(folder / "model.safetensors"), 16.0);
    ADD_FAILURE() << "half a layer was taken";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("no tensor lora_B"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace medseg
