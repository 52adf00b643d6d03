#include "medseg/exchange/open_vision.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/models/clip.h"
#include "medseg/models/dinov2.h"
#include "medseg/models/siglip.h"
#include "medseg/models/vision_tower.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Tensors = std::vector<std::pair<std::string, at::Tensor>>;

std::unique_ptr<TensorFile> golden(const std::string& name) {
  return open_tensor_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/" + name);
}

class OpenVision : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  /// The golden weights under other names; what `renamed` makes "" is left out.
  template <class Renamed>
  void write(const std::string& name, Renamed renamed, const Tensors& beside = {}) {
    const auto file = golden(name);
    Tensors tensors = beside;
    const std::string prefix = "weight.";
    for (const auto& info : file->tensors()) {
      if (!info.name.starts_with(prefix)) continue;
      const std::string own = renamed(info.name.substr(prefix.size()));
      if (!own.empty()) tensors.emplace_back(own, file->load(info.name));
    }
    write_safetensors(folder_ / "model.safetensors", tensors);
  }
  void write_config(const std::string& json) { write_file(folder_ / "config.json", json); }

  at::Tensor tokens(const std::string& name) const {
    const auto part = open_vision(folder_);
    const auto tower = part.options.tower.row()->make(part.options.tower.options());
    const auto report = load_into(*tower, *part.file, part.sources);
    EXPECT_TRUE(report.initialised.empty() && report.mismatched.empty());
    return tower->tokens(golden(name)->load("pixels"));
  }

  std::string refusal() const {
    try {
      open_vision(folder_);
    } catch (const CheckpointError& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      return what;
    }
    return "accepted";
  }

  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-open-vision-", ::getpid());
};

const char* const kClipConfig =
    R"({"model_type": "clip", "vision_config": {"num_attention_heads": 2, "hidden_size": 16,
        "patch_size": 6, "image_size": 18, "num_hidden_layers": 3, "intermediate_size": 24,
        "hidden_act": "quick_gelu"}})";

void expect_same(const at::Tensor& got, const at::Tensor& expected) {
  ASSERT_EQ(got.sizes(), expected.sizes());
  EXPECT_LT((got - expected).abs().max().item<double>(),
            2e-5 * expected.abs().max().item<double>());
}

TEST_F(OpenVision, FindsClipWhateverStandsBeforeItsNamesAndBesideIt) {
  write_config(kClipConfig);
  const Tensors beside = {{"text_model.embeddings.token_embedding.weight", at::zeros({3, 16})},
                          {"vision_model.embeddings.position_ids", at::arange(10)},
                          {"visual_projection.weight", at::zeros({8, 16})},
                          {"logit_scale", at::zeros({})}};
  for (const std::string prefix : {"", "vision_tower.", "model.vision_tower.vision_tower."}) {
    write(
        "vision/clip.safetensors", [&](const auto& name) { return prefix + name; }, beside);
    expect_same(tokens("vision/clip.safetensors"),
                golden("vision/clip.safetensors")->load("tokens"));
  }
  write("vision/clip.safetensors",
        [&](const std::string& name) { return name.substr(std::string("vision_model.").size()); });
  expect_same(tokens("vision/clip.safetensors"), golden("vision/clip.safetensors")->load("tokens"));
  const auto part = open_vision(folder_);
  EXPECT_EQ(part.options.tower.as<ClipOptions>().heads, 2);
  EXPECT_THAT(part.preprocess.mean, ElementsAre(0.48145466, 0.4578275, 0.40821073));
}

TEST_F(OpenVision, ReadsSiglipWithoutItsPoolingHead) {
  write_config(
      R"({"model_type": "siglip_vision_model", "num_attention_heads": 2, "image_size": 20,
          "layer_norm_eps": 1e-6})");
  write_file(folder_ / "preprocessor_config.json",
             R"({"image_mean": [0.5, 0.25, 0.5], "image_std": [0.5, 0.5, 1]})");
  write("vision/siglip.safetensors", [](const auto& name) { return name; },
        {{"vision_model.head.probe", at::zeros({1, 1, 16})}});
  expect_same(tokens("vision/siglip.safetensors"),
              golden("vision/siglip.safetensors")->load("tokens"));
  const auto part = open_vision(folder_ / "model.safetensors");
  EXPECT_EQ(part.options.tower.name(), "siglip");
  EXPECT_EQ(part.preprocess.mode, VisionFit::kSquare);
  EXPECT_EQ(part.options.tower.as<SiglipOptions>().image_size, 20);
  EXPECT_THAT(part.preprocess.mean, ElementsAre(0.5, 0.25, 0.5));
  EXPECT_THAT(part.preprocess.deviation, ElementsAre(0.5, 0.5, 1.0));
}

TEST_F(OpenVision, ReadsBothSpellingsOfDinov2) {
  write_config(R"({"model_type": "dinov2", "num_attention_heads": 2})");
  write_file(folder_ / "preprocessor_config.json", R"({"crop_size": {"height": 30, "width": 30}})");
  const auto newer = [](std::string name) {
    for (const auto& [old, own] :
         {std::pair<std::string, std::string>{"attention.attention.query", "attention.q_proj"},
          {"attention.attention.key", "attention.k_proj"},
          {"attention.attention.value", "attention.v_proj"},
          {"attention.output.dense", "attention.o_proj"}}) {
      const auto at = name.find(old);
      if (at != std::string::npos) name.replace(at, old.size(), own);
    }
    return name;
  };
  const auto expected = golden("dinov2/tiny.safetensors")->load("tokens");
  const Tensors beside = {{"embeddings.mask_token", at::zeros({1, 32})}};
  write(
      "dinov2/tiny.safetensors", [](const auto& name) { return name; }, beside);
  expect_same(tokens("dinov2/tiny.safetensors"), expected);
  write("dinov2/tiny.safetensors", newer, beside);
  expect_same(tokens("dinov2/tiny.safetensors"), expected);
  const auto part = open_vision(folder_);
  EXPECT_EQ(part.options.tower.as<Dinov2Options>().image_size, 28);  // 30 in whole patches of 7
  EXPECT_EQ(part.options.tower.as<Dinov2Options>().position_grid, 5);
  EXPECT_EQ(part.preprocess.mode, VisionFit::kPad);
  write("dinov2/tiny.safetensors", newer, {{"embeddings.register_tokens", at::zeros({1, 4, 32})}});
  EXPECT_THAT(refusal(), HasSubstr("register tokens"));
}

TEST_F(OpenVision, NamesWhatDoesNotFit) {
  const auto same = [](const auto& name) { return name; };
  write("vision/clip.safetensors", same);
  EXPECT_THAT(refusal(), HasSubstr("a width of 16 does not tell the number of heads"));
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string config = kClipConfig;
    config.replace(config.find(from), from.size(), to);
    write_config(config);
    return refusal();
  };
  EXPECT_THAT(with("\"hidden_size\": 16", "\"hidden_size\": 32"),
              HasSubstr("config.json: hidden_size: 32, but the weights say 16"));
  EXPECT_THAT(with("_layers\": 3", "_layers\": 4"), HasSubstr("num_hidden_layers: 4"));
  EXPECT_THAT(with("\"image_size\": 18", "\"image_size\": 24"),
              HasSubstr("image_size: 24 pixels are 4 patches a side, but the weights have "
                        "positions for 3"));
  EXPECT_THAT(with("_heads\": 2", "_heads\": 3"), HasSubstr("3 heads do not divide"));
  EXPECT_THAT(with("_heads\": 2", "_heads\": \"2\""),
              HasSubstr("expected an integer, found \"2\""));
  EXPECT_THAT(with("quick_gelu", "silu"), HasSubstr("config.json: hidden_act: unknown \"silu\""));
  write_config(kClipConfig);
  write("vision/clip.safetensors", [](const std::string& name) {
    return name.find("layers.1.mlp.fc2.bias") == std::string::npos ? name : "";
  });
  EXPECT_THAT(refusal(), HasSubstr("no tensor vision_model.encoder.layers.1.mlp.fc2.bias"));
  write("vision/clip.safetensors", [](const std::string& name) { return "other." + name; },
        {{"other.vision_model.encoder.layers.0.layer_norm1.weight2", at::zeros({2})}});
  EXPECT_EQ(refusal(), "accepted");  // other tensors are listed in the report
  write_safetensors(folder_ / "model.safetensors", {{"a", at::zeros({2})}});
  EXPECT_THAT(refusal(), HasSubstr("no vision tower known here"));
  write_file(folder_ / "config.json", "[1]");
  write("vision/clip.safetensors", same);
  EXPECT_THAT(refusal(), HasSubstr("config.json: no object"));
}

}  // namespace
}  // namespace medseg
