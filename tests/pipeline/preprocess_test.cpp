#include "medseg/pipeline/preprocess.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/image/codec.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

const std::string kGolden = MEDSEG_SOURCE_DIR "/tests/golden/preprocess/";

VisionPreprocess clip(VisionFit mode) {
  return {.mode = mode,
          .mean = {0.48145466, 0.4578275, 0.40821073},
          .deviation = {0.26862954, 0.26130258, 0.27577711}};
}

void expect_close(const at::Tensor& got, const std::string& name, double tolerance) {
  const auto expected = open_tensor_file(kGolden + "expected.safetensors")->load(name);
  ASSERT_EQ(got.sizes(), expected.sizes()) << name;
  EXPECT_EQ(got.scalar_type(), at::kFloat);
  EXPECT_LT((got - expected).abs().max().item<double>(), tolerance) << name;
}

TEST(Preprocess, VisionInputEqualsPillow) {
  for (const std::string picture : {"grey", "rgb", "tall"}) {
    const Image image = read_image(kGolden + picture + ".png");
    expect_close(vision_input(image, clip(VisionFit::kCrop), 28), picture + ".crop", 2e-6);
    expect_close(vision_input(image, clip(VisionFit::kPad), 28), picture + ".pad", 2e-6);
  }
}

TEST(Preprocess, StretchesForSiglip) {
  Image image{30, 10, 1, std::vector<std::uint8_t>(300, 0)};
  for (int y = 0; y < 10; ++y) image.pixels[static_cast<std::size_t>(y * 30 + 29)] = 255;
  const VisionPreprocess square{
      .mode = VisionFit::kSquare, .mean = {0.5, 0.5, 0.5}, .deviation = {0.5, 0.5, 0.5}};
  const auto pixels = vision_input(image, square, 10);
  EXPECT_EQ(pixels.sizes(), (std::vector<std::int64_t>{3, 10, 10}));
  EXPECT_TRUE(
      pixels.equal(pixels.select(1, 4).unsqueeze(1).expand({3, 10, 10})));  // every row alike
  EXPECT_GT(pixels[0][0][9].item<double>(), pixels[0][0][8].item<double>());
}

TEST(Preprocess, GroundingInputEqualsPillow) {
  for (const std::string picture : {"grey", "rgb", "tall"}) {
    const Image image = read_image(kGolden + picture + ".png");
    for (const auto kind : {GroundingPreprocess::kSam, GroundingPreprocess::kLitemedsam,
                            GroundingPreprocess::kMedsamPil}) {
      expect_close(grounding_input(image, kind, 48).pixels, picture + "." + name_of(kind), 2e-6);
    }
  }
}

TEST(Preprocess, SquareSplineEqualsScikitImage) {
  for (const std::string picture : {"grey", "rgb", "tall"}) {
    const Image image = read_image(kGolden + picture + ".png");
    for (const auto kind :
         {GroundingPreprocess::kMedsamSquare, GroundingPreprocess::kMedsamSquareFloat})
      expect_close(grounding_input(image, kind, 48).pixels, picture + "." + name_of(kind), 2e-6);
  }
}

TEST(Preprocess, FrameSaysWhatThePictureCovers) {
  const Image image = read_image(kGolden + "grey.png");  // 53 wide, 37 high
  const auto sam = grounding_input(image, GroundingPreprocess::kSam, 48).frame;
  EXPECT_EQ(sam.size, 48);
  EXPECT_EQ(sam.resized_width, 48);
  EXPECT_EQ(sam.resized_height, 34);  // int(37 * 48 / 53 + 0.5)
  EXPECT_EQ(sam.image_width, 53);
  EXPECT_EQ(sam.image_height, 37);
  EXPECT_EQ(grounding_input(image, GroundingPreprocess::kMedsamPil, 48).frame.resized_height, 48);
}

TEST(Preprocess, TakesPicturesOfAnyShape) {
  for (const auto& [width, height] :
       {std::pair{1, 1}, std::pair{1, 4000}, std::pair{4000, 1}, std::pair{4000, 3000}}) {
    Image image{width, height, 1, {}};
    image.pixels.assign(static_cast<std::size_t>(width) * static_cast<std::size_t>(height), 255);
    for (const auto mode : {VisionFit::kCrop, VisionFit::kPad}) {
      const auto input = vision_input(image, clip(mode), 336);
      EXPECT_EQ(input.sizes(), (std::vector<std::int64_t>{3, 336, 336}));
      EXPECT_TRUE(at::isfinite(input).all().item<bool>())
          << name_of(mode) << " " << width << "x" << height;
    }
    const auto input = grounding_input(image, GroundingPreprocess::kSam, 256);
    EXPECT_EQ(input.pixels.sizes(), (std::vector<std::int64_t>{3, 256, 256}));
    EXPECT_GE(std::min(input.frame.resized_width, input.frame.resized_height), 1);
  }
  Image line{200'000, 1, 1, std::vector<std::uint8_t>(200'000)};
  EXPECT_THROW(vision_input(line, clip(VisionFit::kCrop), 28), DataError);
  EXPECT_THROW(vision_input(line, clip(VisionFit::kPad), 28), DataError);
}

TEST(Preprocess, UnknownKindsNameTheKnown) {
  BundleOptions options;
  EXPECT_THROW(read_options(nlohmann::json{{"grounding_preprocess", "sum"}}, options), ConfigError);
  EXPECT_THROW(read_options(nlohmann::json{{"mode", "stretch"}}, options.vision_preprocess),
               ConfigError);
}

TEST(Preprocess, MasksGoIntoTensorsAndBack) {
  Mask mask(3, 2);
  mask.pixels = {0, 1, 0, 1, 1, 0};
  const auto tensor = mask_tensor({mask, Mask(3, 2)}, 3, 2);
  EXPECT_EQ(tensor.sizes(), (std::vector<std::int64_t>{2, 2, 3}));
  EXPECT_EQ(tensor.sum().item<float>(), 3);
  EXPECT_EQ(mask_from_logits(tensor[0] - 0.5), mask);
  EXPECT_EQ(mask_from_logits(tensor[0]), mask) << "0 is background";
  EXPECT_EQ(mask_tensor({}, 3, 2).sizes(), (std::vector<std::int64_t>{0, 2, 3}));
}

}  // namespace
}  // namespace medseg
