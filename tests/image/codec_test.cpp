#include "medseg/image/codec.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/golden_image.h"
#include "medseg/base/hash.h"
#include "medseg/base/random.h"
#include "medseg/image/overlay.h"

namespace medseg {
namespace {

using testing::HasSubstr;

std::filesystem::path written(const std::string& bytes, const std::string& name = "picture") {
  const auto path = std::filesystem::path(testing::TempDir()) / "medseg-image" / name;
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;  // write_file waits for the disk
  return path;
}

std::string golden_bytes(const std::string& name) {
  return read_file(golden_image_folder() / name);
}

std::string error_of(const std::string& bytes) {
  try {
    read_picture(written(bytes));
  } catch (const DataError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Codec, ReadsWhatPillowReads) {
  for (const auto& row : golden_image("files")) {
    const auto picture = read_picture(golden_image_folder() / row["file"].get<std::string>());
    std::visit(
        [&](const auto& image) {
          EXPECT_EQ(image.width, row["size"][0]) << row;
          EXPECT_EQ(image.height, row["size"][1]) << row;
          EXPECT_EQ(8 * sizeof(image.pixels[0]), row["bits"]) << row;
          const auto* bytes = reinterpret_cast<const char*>(image.pixels.data());
          const std::string_view view(bytes, image.pixels.size() * sizeof(image.pixels[0]));
          EXPECT_EQ(sha256(view), row["sha256"]) << row;
        },
        picture);
  }
}

TEST(Codec, TheNameDoesNotMatter) {
  EXPECT_EQ(read_image(written(golden_bytes("rgb.png"), "scan.nii.gz")).channels, 3);
  EXPECT_THAT(error_of("hello"), HasSubstr("not an image"));
  EXPECT_THAT(error_of(""), HasSubstr("not an image"));
}

TEST(Codec, SixteenBitsWithoutAWindowAreShownByTheirOwnRange) {
  const auto deep = std::get<Image16>(read_picture(golden_image_folder() / "deep.png"));
  const Image image = read_image(golden_image_folder() / "deep.png");
  ASSERT_EQ(image.channels, 1);
  EXPECT_EQ(image.pixels, to_8_bit(deep, own_range(deep)).pixels);
}

TEST(Codec, ForeignFilesAreNamed) {
  EXPECT_THAT(error_of("GIF89a..."), HasSubstr("GIF"));
  EXPECT_THAT(error_of("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("git lfs pull"));
  EXPECT_THAT(error_of("<!DOCTYPE html>"), HasSubstr("a web page"));
}

TEST(Codec, MasksAreLosslessAndHaveOneChannel) {
  const Mask mask = read_mask(golden_image_folder() / "grey.png");
  const Mask seven = read_mask(golden_image_folder() / "grey.png", noise(7));
  EXPECT_EQ(mask.pixels[7], noise(7) != 0);
  EXPECT_EQ(seven.pixels[7], 1);
  EXPECT_LT(seven.area(), mask.area());
  EXPECT_THROW(read_mask(golden_image_folder() / "grey.jpg"), DataError);
  EXPECT_THROW(read_mask(golden_image_folder() / "rgb.png"), DataError);
}

TEST(Codec, PngComesBackAsItWent) {
  for (const int channels : {1, 3}) {
    const Image image = noise_picture(31, 7, channels);
    const auto path = written("", "out.png");
    write_png(path, image);
    EXPECT_EQ(read_image(path).pixels, image.pixels);
  }
  Mask mask(3, 2);
  mask.pixels = {0, 1, 1, 0, 1, 0};
  const auto path = written("", "mask.png");
  write_png(path, mask);
  EXPECT_EQ(read_mask(path, 255), mask);
  EXPECT_THROW(write_png(std::filesystem::path("/proc/none/mask.png"), mask), DataError);
}

TEST(Codec, EveryTruncationIsFound) {
  for (const auto& row : golden_image("files")) {
    const std::string whole = golden_bytes(row["file"]);
    const bool tiff = whole.starts_with("II") || whole.starts_with("MM");
    for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 60) {
      // Pillow writes a TIFF's directory in front, so the end of the pixels is the end of the file.
      const std::string error = error_of(whole.substr(0, size));
      EXPECT_NE(error, "no error") << row["file"] << (tiff ? " tiff " : " ") << size;
    }
  }
}

TEST(Codec, AHeaderThatPromisesTooMuchIsRefusedBeforeDecoding) {
  std::string png = golden_bytes("grey.png");
  png.replace(16, 8, std::string("\x00\x00\xff\xff\x00\x00\xff\xff", 8));
  EXPECT_THAT(error_of(png), HasSubstr("2^28"));
  png.replace(16, 8, std::string("\x00\x00\x3f\xff\x00\x00\x3f\xff", 8));
  EXPECT_THAT(error_of(png), HasSubstr("check sum"));
  png.replace(29, 4, std::string("\xfe\xda\x35\x77", 4));
  EXPECT_THAT(error_of(png), HasSubstr("cannot hold"));
  std::string bmp = golden_bytes("grey.bmp");
  bmp.replace(18, 8, std::string("\xff\xff\xff\x7f\xff\xff\xff\x7f", 8));
  EXPECT_THAT(error_of(bmp), HasSubstr("2^28"));
}

TEST(Codec, DamagedFilesNeverCrash) {
  RandomStream random(2, "damage");
  for (const auto& row : golden_image("files")) {
    const std::string whole = golden_bytes(row["file"]);
    for (int n = 0; n < 60; ++n) {
      std::string bytes = whole;
      for (std::size_t i = 1 + random.below(4); i > 0; --i) {
        bytes[random.below(n % 2 == 0 ? std::min<std::size_t>(bytes.size(), 200) : bytes.size())] =
            static_cast<char>(random.below(256));
      }
      try {
        read_picture(written(bytes));
      } catch (const DataError& error) {
        EXPECT_THAT(error.what(), HasSubstr("medseg-image"));
      }
    }
  }
}

TEST(Overlay, EnlargesSmallPicturesAndAddsALegend) {
  const Image image = noise_picture(100, 60, 1);
  Mask mask(100, 60);
  mask.pixels[30 * 100 + 50] = 1;
  const Image plain = draw_overlay(image, {{mask, ""}}, 120);
  EXPECT_EQ(plain.width, 200);
  EXPECT_EQ(plain.height, 120);
  EXPECT_EQ(plain.channels, 3);
  const auto* far = plain.at(0, 0);
  EXPECT_EQ(far[0], image.pixels[0]);
  const auto* inside = plain.at(101, 61);
  EXPECT_FALSE(inside[0] == inside[1] && inside[1] == inside[2]);
  EXPECT_GT(draw_overlay(image, {{mask, "lung"}}, 120).height, 120);
  EXPECT_EQ(draw_overlay(image, {}, 1).width, 100);
  // Pixels twice as high as wide, and the other way round: shapes are true in the overlay.
  const Image tall = draw_overlay(image, {{mask, ""}}, 1, 2.0);
  EXPECT_EQ(tall.width, image.width);
  EXPECT_EQ(tall.height, 2 * image.height);
  EXPECT_EQ(draw_overlay(image, {}, 1, 0.25).width, 4 * image.width);
  EXPECT_EQ(draw_overlay(image, {}, 1, 1.001).height, image.height);
}

}  // namespace
}  // namespace medseg
