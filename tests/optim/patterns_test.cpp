#include "medseg/optim/patterns.h"

#include <gtest/gtest.h>

namespace medseg {
namespace {

TEST(Patterns, AreGlobsOverTheWholeNameOrParts) {
  EXPECT_TRUE(names("mask_decoder", "model.grounding_encoder.mask_decoder.iou_token.weight"));
  EXPECT_TRUE(names("model.layers.*", "model.layers.0.mlp.up_proj.weight"));
  EXPECT_FALSE(names("layers.*", "model.layers.0.mlp.up_proj.weight"));
  EXPECT_TRUE(names("model.layers.[0-3].*.weight", "model.layers.2.mlp.up_proj.weight"));
  EXPECT_FALSE(names("model.layers.[0-3].*.weight", "model.layers.12.mlp.up_proj.weight"));
  EXPECT_TRUE(names_module("q_proj", "model.layers.0.self_attn.q_proj"));
  EXPECT_FALSE(names_module("proj", "model.layers.0.self_attn.q_proj"));
  EXPECT_TRUE(names_module("model.layers.0.self_attn.q_proj", "model.layers.0.self_attn.q_proj"));
  EXPECT_TRUE(names_module("*.[qv]_proj", "model.layers.0.self_attn.v_proj"));
  EXPECT_TRUE(names_module("*", "model.layers.0.mlp.up_proj"));
}

TEST(Patterns, TheNearestNameIsAPartUnlessThePatternHasADot) {
  const std::vector<std::string> known = {"model.layers.0.self_attn.q_proj", "lm_head"};
  EXPECT_EQ(nearest_name("qproj", known), "q_proj");
  EXPECT_EQ(nearest_name("*lm_hed*", known), "lm_head");
  EXPECT_EQ(nearest_name("model.layers.0.selfattn.qproj", known), known[0]);
}

}  // namespace
}  // namespace medseg
