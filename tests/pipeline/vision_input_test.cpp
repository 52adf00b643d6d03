// Pictures of awkward sizes, to the last bit as the published preprocessors make them
// (tests/golden/vision_input).
#include <charconv>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/pipeline/preprocess.h"

namespace medseg {
namespace {

const std::string kGolden = MEDSEG_SOURCE_DIR "/tests/golden/";

int number(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  EXPECT_TRUE(error == std::errc{} && end == text.data() + text.size()) << text;
  return value;
}

/// As `drawn` of scripts/reference/export_vision_input.py.
Image drawn(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  image.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) *
                       static_cast<std::size_t>(channels));
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        const int value = ((x * 37 + y * 101 + c * 59) ^ (x * y + 17 * c)) & 255;
        image.pixels.push_back(static_cast<std::uint8_t>(value));
      }
    }
  }
  return image;
}

/// {"335x337", "grey", "pad", "28"} or {"rgba", "pad", "28"}.
Image picture_of(const std::vector<std::string>& key) {
  if (key.size() == 3) return read_image(kGolden + "image/" + key[0] + ".png");
  const auto sides = split(key[0], 'x');
  return drawn(number(sides.at(0)), number(sides.at(1)), key[1] == "grey" ? 1 : 3);
}

/// SHA-256 of the 8-bit pixels that became `input`, row by row, channels together.
std::string hash_of_pixels(const at::Tensor& input, const VisionPreprocess& preprocess) {
  const auto channels = [](const std::vector<double>& values) {
    return at::tensor(values, at::kDouble).view({3, 1, 1});
  };
  const auto grey_levels =
      (input.to(at::kDouble) * channels(preprocess.deviation) + channels(preprocess.mean)) * 255;
  const auto whole = grey_levels.round();
  EXPECT_LT((grey_levels - whole).abs().max().item<double>(), 1e-3);
  EXPECT_GE(whole.min().item<double>(), 0);
  EXPECT_LE(whole.max().item<double>(), 255);
  const auto bytes = whole.to(at::kByte).permute({1, 2, 0}).contiguous();
  return sha256({bytes.const_data_ptr<std::uint8_t>(), static_cast<std::size_t>(bytes.numel())});
}

TEST(VisionInput, EqualsThePublishedPreprocessorsToTheLastBit) {
  const auto expected = nlohmann::json::parse(read_file(kGolden + "vision_input/expected.json"));
  const std::vector<double> mean = {0.48145466, 0.4578275, 0.40821073};  // CLIP's: pad's colour
  const std::vector<double> deviation = {0.26862954, 0.26130258, 0.27577711};
  Image image;
  std::string drawn_for;
  int compared = 0;
  for (const auto& [name, hash] : expected.items()) {  // sorted: one picture after the other
    const auto key = split(name, '.');
    ASSERT_TRUE(key.size() == 3 || key.size() == 4) << name;
    if (const auto picture = key[0] + (key.size() == 4 ? key[1] : ""); picture != drawn_for) {
      image = picture_of(key);
      drawn_for = picture;
    }
    VisionPreprocess preprocess{.mode = choice_named<VisionFit>("mode", key[key.size() - 2]),
                                .mean = mean,
                                .deviation = deviation};
    if (preprocess.mode == VisionFit::kSquare)
      preprocess.mean = preprocess.deviation = {0.5, 0.5, 0.5};
    const auto input = vision_input(image, preprocess, number(key.back()));
    EXPECT_EQ(hash_of_pixels(input, preprocess), hash.get<std::string>()) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 204);
}

}  // namespace
}  // namespace medseg
