#include "medseg/weights/sam_names.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

const std::string kGolden = MEDSEG_SOURCE_DIR "/tests/golden/sam/";

nlohmann::json golden_names() { return nlohmann::json::parse(read_file(kGolden + "names.json")); }

std::vector<std::string> sorted(std::vector<std::string> names) {
  std::sort(names.begin(), names.end());
  return names;
}

TEST(SamNames, BothDirectionsAreThoseOfSamModel) {
  const auto golden = golden_names();
  std::set<std::string> made;
  for (const auto& [sam, hf] : golden.at("sam").items()) {
    const auto expected = hf.get<std::vector<std::string>>();
    EXPECT_EQ(sorted(hf_names_from_sam(sam)), expected) << sam;
    for (const auto& name : expected) {
      EXPECT_EQ(sam_name_from_hf(name), sam) << name;
      made.insert(name);
    }
  }
  const auto all = golden.at("hf").get<std::vector<std::string>>();
  EXPECT_EQ(made, std::set<std::string>(all.begin(), all.end()));
}

TEST(SamNames, WhatNeitherHasStaysUnknown) {
  for (const char* name :
       {"", "vision_encoder.layers.x.attn.qkv.weight", "vision_encoder.layers.", "image_encoder.",
        "vision_encoder.layers.3.hf_token.weight", "vision_encoder.pos_embed.more",
        "vision_encoder.neck.conv1", "mask_decoder.hf_mlp.proj_in.weight"}) {
    EXPECT_EQ(sam_name_from_hf(name), std::nullopt) << name;
    EXPECT_TRUE(hf_names_from_sam(name).empty()) << name;
  }
  EXPECT_EQ(sam_name_from_hf("vision_encoder.layers.31.mlp.lin1.bias"),
            "image_encoder.blocks.31.mlp.lin1.bias");
}

/// The sources for a file that holds `names`: target -> source.
std::map<std::string, std::string> read_back(const std::vector<std::string>& names,
                                             const std::string& prefix) {
  const auto path =
      fs::temp_directory_path() / str_cat("medseg-sam-names-", ::getpid(), ".safetensors");
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& name : names) tensors.emplace_back(name, at::zeros({1}));
  write_safetensors(path, tensors);
  std::map<std::string, std::string> sources;
  for (const auto& source : sam_sources(*open_tensor_file(path), prefix))
    sources[source.target] = source.source;
  fs::remove(path);
  return sources;
}

TEST(SamNames, SourcesAreFoundUnderEveryPublishedPrefix) {
  const std::string neck = "image_encoder.neck.0.weight";
  const std::string token = "mask_decoder.iou_prediction_head.layers.0.bias";
  using Sources = std::map<std::string, std::string>;
  EXPECT_EQ(read_back({neck, token}, ""), (Sources{{neck, neck}, {token, token}}));
  EXPECT_EQ(read_back({"module." + neck, "module." + token}, ""),
            (Sources{{neck, "module." + neck}, {token, "module." + token}}));
  for (const std::string prefix : {"model.visual_model.", "model.grounding_encoder."}) {
    EXPECT_EQ(read_back({prefix + neck, "lm_head.weight"}, prefix),
              (Sources{{neck, prefix + neck}}));
  }
  // In SamModel this name is the head's middle layer, not its first.
  const std::string middle = "mask_decoder.iou_prediction_head.layers.1.bias";
  EXPECT_EQ(read_back({"vision_encoder.neck.conv1.weight", token, "odd"}, ""),
            (Sources{{neck, "vision_encoder.neck.conv1.weight"}, {middle, token}, {"odd", "odd"}}));
}

TEST(SamNames, MedsamsTrainingFileReadsAsSam) {
  const auto file = open_tensor_file(kGolden + "model.pth");
  std::set<std::string> targets, expected;
  for (const auto& source : sam_sources(*file)) targets.insert(source.target);
  const auto golden = golden_names();
  for (const auto& [sam, hf] : golden.at("sam").items()) expected.insert(sam);
  EXPECT_EQ(targets, expected);
}

}  // namespace
}  // namespace medseg
