// SAM's and MedSAM's preprocessing of pictures of odd sizes, against segment_anything and
// scikit-image.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/str.h"
#include "medseg/models/grounding.h"
#include "medseg/pipeline/preprocess.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

constexpr std::int64_t kSide = 16;

Image picture(int width, int height) {
  Image image{width, height, 3, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c)
        image.pixels.push_back(static_cast<std::uint8_t>((7 * x + 13 * y + 29 * c + x * y) % 256));
    }
  }
  return image;
}

TEST(SamPreprocess, OddSizesAreThoseOfTheOriginals) {
  const auto file = open_tensor_file(MEDSEG_SOURCE_DIR "/tests/golden/sam/preprocess.safetensors");
  for (const auto& info : file->tensors()) {  // WxH.kind
    const auto dot = info.name.find('.'), cross = info.name.find('x');
    const int width = std::stoi(info.name.substr(0, cross));
    const int height = std::stoi(info.name.substr(cross + 1, dot - cross - 1));
    const auto kind = choice_named<GroundingPreprocess>("kind", info.name.substr(dot + 1));
    const auto got = grounding_input(picture(width, height), kind, kSide);
    const auto expected = file->load(info.name);
    ASSERT_EQ(got.pixels.sizes(), expected.sizes()) << info.name;
    EXPECT_LT((got.pixels - expected).abs().max().item<double>(), 3e-6) << info.name;
  }
  EXPECT_EQ(file->tensors().size(), 19U);
}

TEST(SamPreprocess, AThinPictureKeepsOnePixel) {
  const auto input = grounding_input(picture(1, 100), GroundingPreprocess::kSam, kSide);
  EXPECT_EQ(input.frame.resized_width, 1);
  EXPECT_EQ(input.frame.resized_height, kSide);
  EXPECT_EQ(input.pixels.sizes(), (std::vector<std::int64_t>{3, kSide, kSide}));
  EXPECT_TRUE(input.pixels.narrow(2, 1, kSide - 1).equal(at::zeros({3, kSide, kSide - 1})));
  const auto masks = upscale_masks(at::ones({1, 1, 4, 4}), input.frame);
  EXPECT_EQ(masks.sizes(), (std::vector<std::int64_t>{1, 100, 1}));
}

}  // namespace
}  // namespace medseg
