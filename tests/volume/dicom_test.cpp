// DICOM in: values and places against pydicom (scripts/reference/export_dicom.py), and files that
// lie.
#include "medseg/volume/dicom.h"

#include <cmath>

#include <gmock/gmock.h>

#include "medseg/base/random.h"
#include "medseg/volume/dicom_segmentation.h"
#include "support/temp_folder_fixture.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

fs::path dicom_folder() { return fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/dicom"; }

std::string refusal(const fs::path& path, std::optional<std::int64_t> index = std::nullopt) {
  try {
    read_volume(path, index);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

std::vector<fs::path> single_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(dicom_folder())) {
    if (entry.path().extension() == ".dcm") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(Dicom, EqualsPydicom) {
  const auto cases = nlohmann::json::parse(read_file(dicom_folder() / "cases.json"));
  ASSERT_GE(cases.size(), 15U);
  for (const auto& row : cases) {
    const std::string file = row["file"];
    std::optional<std::int64_t> index;
    if (row.contains("index")) index = row["index"].get<std::int64_t>();
    const Volume volume = read_volume(dicom_folder() / file, index);
    EXPECT_EQ(volume.size, (row["size"].get<std::array<std::int64_t, 3>>())) << file;
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t c = 0; c < 4; ++c)
        EXPECT_NEAR(volume.affine[r][c], row["affine"][r][c].get<double>(), 1e-9) << file;
    }
    ASSERT_EQ(volume.voxels.size(), row["values"].size()) << file;
    for (std::size_t i = 0; i < volume.voxels.size(); ++i) {
      const auto& expected = row["values"][i];
      if (expected.is_null()) {
        EXPECT_TRUE(std::isnan(volume.voxels[i])) << file << " " << i;
      } else {
        EXPECT_EQ(volume.voxels[i], expected.get<float>()) << file << " " << i;
      }
    }
    if (row.contains("window")) {
      ASSERT_TRUE(volume.window.has_value()) << file;
      EXPECT_EQ(volume.window->low, row["window"][0].get<double>()) << file;
      EXPECT_EQ(volume.window->high, row["window"][1].get<double>()) << file;
    }
  }
}

TEST(Dicom, ColoursAreThoseOfPydicom) {
  const auto cases = nlohmann::json::parse(read_file(dicom_folder() / "colours.json"));
  for (const auto& [file, pixels] : cases.items()) {
    const auto image = read_dicom_colour(dicom_folder() / file);
    ASSERT_TRUE(image.has_value()) << file;
    EXPECT_EQ(image->pixels, pixels.get<std::vector<std::uint8_t>>()) << file;
  }
  EXPECT_FALSE(read_dicom_colour(dicom_folder() / "rle.dcm").has_value());
  EXPECT_THROW(read_dicom_colour(dicom_folder() / "rgb.dcm", 1), DataError);
}

TEST(Dicom, WhatAUserShouldKnowIsALine) {
  EXPECT_THAT(read_volume(dicom_folder() / "tilted").notes,
              ElementsAre(HasSubstr("gantry tilt of 18.4 degrees")));
  EXPECT_THAT(read_volume(dicom_folder() / "monochrome1.dcm").notes,
              ElementsAre(HasSubstr("MONOCHROME1")));
  EXPECT_THAT(read_volume(dicom_folder() / "voi_lut.dcm").notes,
              ElementsAre(HasSubstr("VOI look-up table")));
  EXPECT_THAT(read_volume(dicom_folder() / "series").notes, IsEmpty());
  EXPECT_THAT(to_canonical(read_volume(dicom_folder() / "tilted")).notes, Not(IsEmpty()));
}

TEST(Dicom, FoldersThatAreNoSeriesAreNamed) {
  EXPECT_THAT(refusal(dicom_folder() / "missing"),
              AllOf(HasSubstr("2 slices are missing"), HasSubstr("between 33.0 and 42.0 mm")));
  EXPECT_THAT(
      refusal(dicom_folder() / "two_series"),
      AllOf(HasSubstr("holds 2 series: number 4 (CT, 3 files"), HasSubstr("number 5 (PT, 1 file")));
  EXPECT_THAT(refusal(dicom_folder() / "times"), HasSubstr("has 2 volumes"));
  EXPECT_THAT(refusal(dicom_folder() / "times", 2), HasSubstr("out of range"));
  EXPECT_THAT(refusal(dicom_folder() / "series", 1), HasSubstr("out of range"));
  EXPECT_THAT(refusal(dicom_folder()), HasSubstr("several multi-frame files"));
  EXPECT_THAT(refusal(fs::path(MEDSEG_SOURCE_DIR) / "configs"), HasSubstr("holds no DICOM files"));
}

TEST(Dicom, NoErrorSaysAnythingOfThePatient) {
  for (const char* name : {"missing", "two_series", "times"}) {
    const std::string error = refusal(dicom_folder() / name);
    EXPECT_THAT(error, AllOf(Not(HasSubstr("Doe")), Not(HasSubstr("SECRET")))) << name;
  }
}

TEST(Dicom, EveryTruncationIsFound) {
  for (const auto& file : single_files()) {
    const std::string whole = read_file(file);
    for (std::size_t size = 8; size + 20 < whole.size(); size += 1 + whole.size() / 60) {
      const std::string error = error_of(whole.substr(0, size));
      EXPECT_NE(error, "no error") << file << " " << size;
      EXPECT_THAT(error, Not(HasSubstr("\n"))) << file;
    }
  }
}

TEST(Dicom, DamagedFilesNeverCrash) {
  RandomStream random(7, "dicom damage");
  for (const auto& file : single_files()) {
    const std::string whole = read_file(file);
    for (int n = 0; n < 60; ++n) {
      std::string bytes = whole;
      for (std::size_t i = 1 + random.below(6); i > 0; --i)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      const std::string error = error_of(bytes);
      EXPECT_THAT(error, AnyOf("no error", HasSubstr("scan"))) << file;
    }
  }
}

/// A data set in explicit little-endian behind a preamble.
std::string dicom_bytes(const std::string& elements) {
  return std::string(128, '\0') + "DICM" + elements;
}

std::string number(std::uint16_t group, std::uint16_t element, std::uint16_t value) {
  std::string text;
  const auto word = [&](std::uint16_t w) {
    text += static_cast<char>(w & 255);
    text += static_cast<char>(w >> 8);
  };
  word(group), word(element);
  text += "US";
  word(2), word(value);
  return text;
}

TEST(Dicom, DeepNestingEndsInOneLine) {
  // 200,000 sequences within each other, of unknown length.
  std::string deep;
  for (int i = 0; i < 200000; ++i) {
    deep += std::string("\x08\0\x15\x11SQ\0\0\xff\xff\xff\xff", 12);
    deep += std::string("\xfe\xff\0\xe0\xff\xff\xff\xff", 8);
  }
  EXPECT_THAT(error_of(dicom_bytes(number(8, 5, 0) + deep)), HasSubstr("nested more than 32 deep"));
}

TEST(Dicom, HugeAndContradictorySizesAllocateNothing) {
  const std::string pixels("\xe0\x7f\x10\0OW\0\0\x04\0\0\0\x01\0\x02\0", 16);
  const auto with = [&](std::uint16_t rows, std::uint16_t columns, std::uint16_t allocated) {
    return dicom_bytes(number(0x28, 2, 1) + number(0x28, 0x10, rows) + number(0x28, 0x11, columns) +
                       number(0x28, 0x100, allocated) + number(0x28, 0x101, 16) + pixels);
  };
  EXPECT_THAT(error_of(with(65535, 65535, 16)), HasSubstr("at most"));
  EXPECT_THAT(error_of(with(20000, 20000, 16)),
              HasSubstr("promises 800000000 bytes of pixels, found 4"));
  EXPECT_THAT(error_of(with(0, 2, 16)), HasSubstr("2 x 0 pixels"));
  EXPECT_THAT(error_of(with(1, 2, 8)), HasSubstr("BitsAllocated 8, BitsStored 16"));
  EXPECT_EQ(error_of(with(1, 2, 16)), "no error");
  // A sequence that is longer than the item that holds it.
  std::string inner("\x08\0\x15\x11SQ\0\0\x10\0\0\0\xfe\xff\0\xe0\x08\0\0\0", 20);
  inner += std::string("\x08\0\x50\x11UI\x40\0", 8);
  EXPECT_THAT(error_of(dicom_bytes(inner)), HasSubstr("contradictory lengths"));
}

TEST(Dicom, TypesThatNobodyKnowsHaveLongLengths) {  // found by fuzzing
  const auto with = [](const std::string& unknown) {
    return dicom_bytes(number(8, 5, 0) + unknown + number(0x28, 2, 1) + number(0x28, 0x10, 1) +
                       number(0x28, 0x11, 2) + number(0x28, 0x100, 16) + number(0x28, 0x101, 16) +
                       std::string("\xe0\x7f\x10\0OW\0\0\x04\0\0\0\x01\0\x02\0", 16));
  };
  EXPECT_EQ(error_of(with(std::string("\x11\0\x01\x10PQ\0\0\x04\0\0\0abcd", 16))), "no error");
  EXPECT_THAT(error_of(with(std::string("\x11\0\x01\x10PQ\x04\0\0\0\0\x5e", 12))),
              HasSubstr("its element (0011,1001) has 1577058304 bytes"));
}

TEST(Dicom, AJpegStreamThatDcmtkNeverLeavesIsRefused) {
  std::string bytes =
      dicom_bytes(std::string("\x02\0\x10\0UI\x16\0", 8) + "1.2.840.10008.1.2.4.70");
  bytes += number(0x28, 2, 1) + number(0x28, 0x10, 2) + number(0x28, 0x11, 2) +
           number(0x28, 0x100, 8) + number(0x28, 0x101, 8);
  bytes += std::string("\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", 12);
  bytes += std::string("\xfe\xff\0\xe0\0\0\0\0", 8);  // an empty offset table
  bytes += std::string("\xfe\xff\0\xe0\x0a\0\0\0", 8);
  bytes += std::string("\xff\xd8\xff\x01\xff\x01\xff\x01\xff\x01", 10);  // markers TEM
  bytes += std::string("\xfe\xff\xdd\xe0\0\0\0\0", 8);
  EXPECT_THAT(error_of(bytes), HasSubstr("damaged JPEG stream"));
}

TEST(Dicom, SyntaxesThatDcmtkEncodesOtherwiseAreRefused) {  // found by fuzzing
  const auto with = [](const std::string& uid) {
    const auto size = static_cast<char>(uid.size());
    return dicom_bytes(std::string("\x02\0\x10\0UI", 6) + size + '\0' + uid + number(0x28, 2, 1) +
                       number(0x28, 0x10, 2));
  };
  for (const auto& uid : {std::string("\0\0.1.2.840", 10), std::string("1.2.840.113619.5.2")})
    EXPECT_THAT(error_of(with(uid)), HasSubstr("unknown transfer syntax")) << uid;
}

TEST(Dicom, CompressedPixelsOfAnotherTypeAreRefused) {  // found by fuzzing
  std::string bytes = read_file(dicom_folder() / "rle.dcm");
  bytes.replace(bytes.find(std::string("\xe0\x7f\x10\0OB", 6)) + 4, 2, "OU");
  EXPECT_THAT(error_of(bytes), HasSubstr("compressed pixels of the type OU, expected OB or OW"));
}

TEST(Dicom, WhatStandsBehindCompressedPixelsIsNotRead) {  // found by fuzzing
  std::string bytes = read_file(dicom_folder() / "rle.dcm");
  const std::string error = error_of(bytes);
  bytes += std::string("\xfc\xff\xfc\xffOB\0\0\0\0\0\x5e", 12);  // promises 1.5 GB
  EXPECT_EQ(error, "no error");
  EXPECT_EQ(error_of(bytes), error);
}

class DicomSegmentation : public TempFolderTest {};

TEST_F(DicomSegmentation, GoesBackToTheSeriesAndIsReadAgain) {
  const fs::path source = dicom_folder() / "tilted";
  const Volume scan = read_volume(source);
  VoxelMask first(scan.size), second(scan.size);
  first.voxels[21] = first.voxels[22] = 1;                        // slice 1
  second.voxels[22] = second.voxels[41] = second.voxels[59] = 1;  // slices 1 and 2, overlapping
  const auto numbers = write_dicom_segmentation(
      folder_ / "seg.dcm", source, std::nullopt,
      {{"left kidney", first}, {"nothing", VoxelMask(scan.size)}, {"lesion", second}}, "model");
  EXPECT_EQ(numbers, (std::vector<int>{1, 0, 2}));
  EXPECT_EQ(volume_format(folder_ / "seg.dcm"), VolumeFormat::kDicomSegmentation);
  EXPECT_THAT(refusal(folder_ / "seg.dcm", 3), HasSubstr("no segment 3; known are 1, 2"));

  const Volume grid = to_canonical(scan);
  const std::vector<const VoxelMask*> masks = {&first, &second};
  for (std::size_t s = 0; s < 2; ++s) {
    const Volume labels =
        to_canonical(read_volume(folder_ / "seg.dcm", static_cast<std::int64_t>(s + 1)));
    Volume expected = scan;
    for (std::size_t i = 0; i < expected.voxels.size(); ++i)
      expected.voxels[i] = masks[s]->voxels[i] != 0 ? static_cast<float>(s + 1) : 0;
    expected = to_canonical(expected);
    for (int axis = 0; axis < 3; ++axis) {
      for (std::int64_t k = 0; k < grid.size[static_cast<std::size_t>(axis)]; ++k) {
        const auto slice = slice_laid_on(labels, grid, axis, k);
        ASSERT_TRUE(slice.has_value());
        EXPECT_EQ(slice->voxels, slice_along(expected, axis, k).voxels) << axis << " " << k;
      }
    }
  }
  Volume elsewhere = grid;
  elsewhere.affine[0][3] += 0.5;
  EXPECT_FALSE(slice_laid_on(to_canonical(read_volume(folder_ / "seg.dcm", 1)), elsewhere, 2, 1)
                   .has_value());
}

TEST_F(DicomSegmentation, EqualMasksHaveEqualUids) {
  const fs::path source = dicom_folder() / "series";
  VoxelMask mask(read_volume(source).size);
  EXPECT_EQ(
      write_dicom_segmentation(folder_ / "none.dcm", source, std::nullopt, {{"a", mask}}, "m"),
      std::vector<int>{0});
  EXPECT_FALSE(fs::exists(folder_ / "none.dcm"));
  mask.voxels[3] = 1;
  for (const char* name : {"a.dcm", "b.dcm"})
    write_dicom_segmentation(folder_ / name, source, std::nullopt, {{"a", mask}}, "m");
  EXPECT_EQ(read_file(folder_ / "a.dcm").size(), read_file(folder_ / "b.dcm").size());
  EXPECT_EQ(read_volume(folder_ / "a.dcm").voxels, read_volume(folder_ / "b.dcm").voxels);
}

}  // namespace
}  // namespace medseg
