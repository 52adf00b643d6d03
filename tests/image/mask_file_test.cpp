#include "medseg/image/mask_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::filesystem::path mask_path(const std::string& name) {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/masks" / name;
}

const nlohmann::json& cases() {
  static const auto json = nlohmann::json::parse(read_file(mask_path("cases.json")));
  return json;
}

std::string refusal(const std::string& name, const MaskChoice& choice = {}) {
  try {
    read_mask(mask_path(name), choice);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(MaskFile, SamplesAreTheStoredOnes) {
  for (const auto& row : cases()["labels"]) {
    const std::string file = row["file"];
    const auto samples = read_mask_samples(mask_path(file));
    EXPECT_EQ(samples.width, row["size"][0]) << file;
    EXPECT_EQ(samples.height, row["size"][1]) << file;
    EXPECT_FALSE(samples.coloured) << file;
    EXPECT_EQ(samples.values, row["values"].get<std::vector<std::int64_t>>()) << file;
  }
}

TEST(MaskFile, AValueIsTheSampleWhateverTheKind) {
  const Mask expected = read_mask(mask_path("index.png"), 2);
  EXPECT_GT(expected.area(), 0);
  for (const char* file :
       {"palette2.png", "palette8.png", "grey_palette.png", "clear_palette.png", "rgb_grey.png",
        "rgba_grey.png", "grey_alpha.png", "palette.bmp", "palette.tif", "f32.tif"}) {
    EXPECT_EQ(read_mask(mask_path(file), 2), expected) << file;
  }
  EXPECT_EQ(read_mask(mask_path("u32.tif"), 140000), expected);
  EXPECT_EQ(read_mask(mask_path("onebit.png"), 1).area(),
            read_mask(mask_path("onebit.png")).area());
}

TEST(MaskFile, ColoursAreChosenByTable) {
  EXPECT_THAT(refusal("colours.png"),
              AllOf(HasSubstr("in colours"), HasSubstr("[255, 0, 0]"), HasSubstr("[10, 20, 30]")));
  MaskChoice choice;
  choice.colour = {{10, 20, 30}};
  EXPECT_EQ(read_mask(mask_path("colours.png"), choice), read_mask(mask_path("index.png"), 3));
  choice.colour = {{2, 2, 2}};
  EXPECT_EQ(read_mask(mask_path("rgb_grey.png"), choice), read_mask(mask_path("index.png"), 2));
  choice.colour = {{1, 2, 3}};
  EXPECT_EQ(read_mask(mask_path("rgb_grey.png"), choice).area(), 0);
}

TEST(MaskFile, SoftMasksNeedAThreshold) {
  const auto samples = read_mask_samples(mask_path("soft.png"));
  MaskChoice choice;
  const std::int64_t above_0 = cases()["soft"]["above_0"], above_127 = cases()["soft"]["above_127"];
  EXPECT_THAT(oddities_of(samples, choice).soft,
              AllOf(HasSubstr(std::to_string(above_0)), HasSubstr(std::to_string(above_127))));
  EXPECT_EQ(mask_of(samples, choice, "f").area(), above_0);
  choice.threshold = 127;
  EXPECT_EQ(oddities_of(samples, choice).soft, "");
  EXPECT_EQ(mask_of(samples, choice, "f").area(), above_127);
  EXPECT_EQ(oddities_of(read_mask_samples(mask_path("index.png")), {}).soft, "");
}

TEST(MaskFile, JpegIsReadWithAThresholdOnly) {
  EXPECT_THAT(refusal("hard.jpg"), AllOf(HasSubstr("JPEG"), HasSubstr("threshold")));
  MaskChoice choice;
  choice.threshold = 127;
  EXPECT_EQ(read_mask(mask_path("hard.jpg"), choice).area(),
            read_mask(mask_path("onebit.png")).area());
}

TEST(MaskFile, IgnoredSamplesAreNeither) {
  const auto samples = read_mask_samples(mask_path("ignore.png"));
  EXPECT_THAT(oddities_of(samples, {}).ignore, HasSubstr("30 pixels are 255"));
  MaskChoice choice;
  choice.ignore = 255;
  EXPECT_EQ(oddities_of(samples, choice).ignore, "");
  EXPECT_EQ(ignored_of(samples, choice).area(), 30);
  const Mask kept = mask_of(samples, choice, "f");
  EXPECT_EQ(kept.area(), mask_of(samples, {}, "f").area() - 30);
  EXPECT_EQ(ignored_of(samples, {}).area(), 0);
}

TEST(MaskFile, ATiffOfSeveralPagesAsksForOne) {
  EXPECT_THAT(refusal("pages.tif"), AllOf(HasSubstr("3 pages"), HasSubstr("\"page\": 0 to 2")));
  MaskChoice choice;
  choice.page = 1;
  choice.value = 3;
  EXPECT_EQ(read_mask(mask_path("pages.tif"), choice), [] {
    Mask mask = read_mask(mask_path("index.png"));
    for (auto& pixel : mask.pixels) pixel = 1 - pixel;
    return mask;
  }());
  choice.page = 3;
  EXPECT_THAT(refusal("pages.tif", choice), HasSubstr("page 3 is out of range"));
  EXPECT_THAT(refusal("index.png", choice), HasSubstr("page 3 is out of range"));
  EXPECT_THROW(read_picture(mask_path("pages.tif")), DataError);
  EXPECT_EQ(std::get<Image>(read_image_file(mask_path("pages.tif"), 2).pixels).pixels[5], 2);
}

TEST(ImageFile, IsUprightAsItsExifSays) {
  for (const auto& row : cases()["turned"]) {
    const std::string file = row["file"];
    const auto found = read_image_file(mask_path(file));
    const auto& image = std::get<Image>(found.pixels);
    EXPECT_EQ(found.exif_orientation, row["orientation"]) << file;
    EXPECT_EQ(image.width, row["size"][0]) << file;
    EXPECT_EQ(image.height, row["size"][1]) << file;
    EXPECT_EQ(image.pixels, row["values"].get<std::vector<std::uint8_t>>()) << file;
  }
}

TEST(ImageFile, SixteenBitsAreShownByTheirOwnRange) {
  Image16 mammogram{100, 2, {}};
  for (int i = 0; i < 200; ++i) mammogram.pixels.push_back(static_cast<std::uint16_t>(20 * i));
  GreyRange range = own_range(mammogram);
  EXPECT_EQ(range.low, 0);
  EXPECT_EQ(range.high, 3980);
  const Image shown = to_8_bit(mammogram, range);
  EXPECT_EQ(shown.pixels.front(), 0);
  EXPECT_EQ(shown.pixels.back(), 255);
  EXPECT_EQ(shown.pixels[100], std::lround(255.0 * 2000 / 3980));
  mammogram.pixels[0] = 65535;  // a burnt-in marker
  range = own_range(mammogram);
  EXPECT_LT(range.high, 4000);
  EXPECT_EQ(own_range({2, 1, {7, 7}}).high, 8);
}

}  // namespace
}  // namespace medseg
