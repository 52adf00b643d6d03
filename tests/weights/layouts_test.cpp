// Names of published layouts, in both directions.
#include "medseg/weights/layouts.h"

#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

std::string golden(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

const std::vector<std::pair<std::string, std::string>>& folders() {  // layout and its mini model
  static const std::vector<std::pair<std::string, std::string>> all = {{"lisa", "lisa"},
                                                                       {"glamm", "glamm"},
                                                                       {"llava", "llava"},
                                                                       {"llava", "llava-med"},
                                                                       {"llava-hf", "llava-hf"}};
  return all;
}

TEST(Layouts, EveryTensorHasAPlaceAndComesBackUnderItsName) {
  for (const auto& [name, folder] : folders()) {
    const auto& layout = layout_of(name);
    const std::shared_ptr<const TensorFile> file = open_tensor_file(golden(folder));
    const auto renamed = under_our_names(file, layout);
    EXPECT_TRUE(renamed.unknown.empty()) << folder << ": " << join(renamed.unknown, " ");
    EXPECT_EQ(renamed.file->tensors().size() + renamed.skipped.size(), file->tensors().size())
        << folder;
    std::set<std::string> theirs(renamed.skipped.begin(), renamed.skipped.end());
    for (const auto& info : renamed.file->tensors()) {
      const auto name_there = their_name(layout, info.name);
      ASSERT_TRUE(name_there) << info.name;
      theirs.insert(*name_there);
      EXPECT_TRUE(at::equal(renamed.file->load(info.name), file->load(*name_there))) << info.name;
    }
    for (const auto& info : file->tensors()) EXPECT_TRUE(theirs.contains(info.name)) << info.name;
  }
}

TEST(Layouts, WhatIsOfNoUseIsSkippedAndCounted) {
  const auto skipped = [](const std::string& name) {
    return under_our_names(open_tensor_file(golden(name)), layout_of(name)).skipped.size();
  };
  EXPECT_EQ(skipped("lisa"), 2U);   // rotary tables of two layers
  EXPECT_EQ(skipped("glamm"), 4U);  // and two tensors of the region encoder
  EXPECT_EQ(skipped("llava"), 0U);
}

TEST(Layouts, NamesOfNewerTransformersMeanTheSame) {
  const auto& layout = layout_of("llava-hf");
  std::set<std::string> older, newer;
  const auto file = open_tensor_file(golden("llava-hf"));
  for (const auto& info : file->tensors()) older.insert(*our_name(layout, info.name));
  for (const auto& name : nlohmann::json::parse(read_file(golden("names.json")))) {
    const auto ours = our_name(layout, name.get<std::string>());
    ASSERT_TRUE(ours) << name;
    newer.insert(*ours);
  }
  EXPECT_EQ(older, newer);
  EXPECT_EQ(our_name(layout, "model.language_model.layers.3.mlp.up_proj.weight"),
            "model.layers.3.mlp.up_proj.weight");
  EXPECT_EQ(our_name(layout, "model.vision_tower.vision_model.post_layernorm.bias"),
            "model.vision_tower.vision_tower.vision_model.post_layernorm.bias");
}

TEST(Layouts, WhatNoRuleNamesIsUnknown) {
  for (const char* name :
       {"model.image_newline", "model.layers.", "lm_head.bias", "visual_model.x", ""}) {
    for (const char* layout : {"lisa", "glamm", "llava", "llava-hf"})
      EXPECT_FALSE(our_name(layout_of(layout), name)) << layout << " " << name;
  }
  EXPECT_FALSE(their_name(layout_of("llava-hf"), "model.text_hidden_fcs.0.0.weight"));
  EXPECT_FALSE(
      our_name(layout_of("llava"), "model.grounding_encoder.mask_decoder.iou_token.weight"));
  EXPECT_THROW(layout_of("lava"), ConfigError);
}

}  // namespace
}  // namespace medseg
