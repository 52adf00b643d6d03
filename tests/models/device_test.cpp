// Every pass stays on the model's device. Shapes alone stand for a GPU: the meta device has no values, and ATen refuses to
// mix its tensors with those of the CPU.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/models/sam_vit.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/precision.h"
#include "tiny_segmenter.h"

namespace medseg {
namespace {

constexpr auto kMeta = at::kMeta;

at::Tensor shaped(at::IntArrayRef shape) {
  return at::empty(shape, at::TensorOptions(at::kFloat).device(kMeta));
}

class OnAnotherDevice : public ::testing::Test {
 protected:
  OnAnotherDevice() {
    for (const auto& [name, layer] : model_.modules_of_type<Linear>()) {
      if (name.ends_with("q_proj") && name.starts_with("model.layers."))
        layer->add_adapter(2, 4.0, 0.0);
    }
    model_.language().split_rows(58);
    move_to(model_, kMeta);
    auto& language = model_.language();
    for (auto* rows : {&language.new_embed_rows, &language.new_head_rows}) *rows = rows->to(kMeta);
  }
  Segmenter model_{tiny_segmenter()};
};

TEST_F(OnAnotherDevice, ADialogueBecomesPromptsAndMasks) {
  EXPECT_EQ(model_.device(), at::Device(kMeta));
  DialogueBatch batch;  // its ids and the picture's features come from the CPU
  batch.ids = {{1, kImagePlaceId, 5, 59, 7}, {3, kImagePlaceId, 59, 60}};
  batch.seg_positions = {{3}, {2, 3}};
  batch.vision_features = at::randn({2, 16, 6});
  const auto output = model_.forward(batch, {.prompt_gradient = 0.5});
  ASSERT_EQ(output.prompts.device(), at::Device(kMeta));
  EXPECT_EQ(output.prompts.size(0), 3);
  EXPECT_EQ(model_.language().logits(output.hidden).size(-1), 61);

  const auto grid = model_.grounding().encoder().grid();
  const auto masks = model_.grounding().decode_batch(at::randn({2, 8, grid, grid}), output.prompts,
                                                     output.seg_dialogue);
  EXPECT_EQ(masks.mask_logits.size(0), 3);
  const auto in_picture = upscale_masks(masks.mask_logits, {64, 64, 48, 40, 30});
  EXPECT_EQ(in_picture.device(), at::Device(kMeta));
}

TEST_F(OnAnotherDevice, TheEncodersAndSamsOwnPromptsFollow) {
  const at::NoGradGuard no_grad;
  EXPECT_EQ(model_.vision().features(shaped({1, 3, 28, 28})).size(1), 16);
  const auto image = model_.grounding().encoder().forward(shaped({1, 3, 64, 64}));
  EXPECT_EQ(image.device(), at::Device(kMeta));
  const GroundingPrompt prompt{.points = at::rand({2, 1, 2}),
                               .labels = at::ones({2, 1}),
                               .boxes = at::rand({2, 4}),
                               .masks = at::randn({2, 1, 4 * image.size(2), 4 * image.size(2)})};
  EXPECT_EQ(model_.grounding().decode(image, prompt).mask_logits.size(0), 2);
}

TEST_F(OnAnotherDevice, AKvCacheGrowsThere) {
  const at::NoGradGuard no_grad;
  KvCache cache(2);
  model_.language().forward(shaped({1, 4, 32}), &cache);
  EXPECT_EQ(model_.language().forward(shaped({1, 1, 32}), &cache).device(), at::Device(kMeta));
  EXPECT_EQ(cache.length(), 5);
}

}  // namespace
}  // namespace medseg
