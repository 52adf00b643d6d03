// Records whose image is a DICOM series and whose masks are a DICOM SEG.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/dataset/manifest.h"

namespace medseg {
namespace {

using testing::HasSubstr;

/// Slice `index` of the golden series; its segmentation leaves out slice 0, which is empty.
Manifest record_of(const std::string& image, std::int64_t index, int value,
                   const std::string& mask = "seg.dcm") {
  Record record;
  record.id = "scan";
  record.image = image;
  if (index >= 0) record.slice = SliceOfVolume{.axis = 2, .index = index, .volume = {}};
  MaskSource source;
  source.label = "structure";
  source.file = mask;
  source.value = value;
  record.masks["m0"] = source;
  return Manifest::of(std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/dicom/m.jsonl",
                      {record});
}

std::int64_t area(std::int64_t slice, int segment) {
  const auto manifest = record_of("series", slice, segment);
  return load_mask(manifest, manifest.records()[0], {"m0"}, 5, 4).area();
}

TEST(DicomRecord, SegmentsLieOnTheSlicesOfTheirSeries) {
  EXPECT_EQ(area(0, 1), 0);
  EXPECT_EQ(area(1, 1), 6);
  EXPECT_EQ(area(2, 1), 0);
  EXPECT_EQ(area(1, 2), 3);  // overlaps segment 1
  EXPECT_EQ(area(2, 2), 3);
  // Rows 1 and 2, columns 1 to 3 of the stored slice, seen with the front up and the patient's
  // right on the left: as DICOM stores an axial slice.
  const auto manifest = record_of("series", 1, 1);
  const Mask mask = load_mask(manifest, manifest.records()[0], {"m0"}, 5, 4);
  EXPECT_EQ(mask.pixels, (std::vector<std::uint8_t>{0, 0, 0, 0, 0,  //
                                                    0, 1, 1, 1, 0,  //
                                                    0, 1, 1, 1, 0,  //
                                                    0, 0, 0, 0, 0}));
}

TEST(DicomRecord, FaultsNameTheFile) {
  const auto error_of = [](const Manifest& manifest) {
    try {
      load_mask(manifest, manifest.records()[0], {"m0"}, 5, 4);
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_THAT(error_of(record_of("series", 1, 7)), HasSubstr("no segment 7; known are 1, 2"));
  EXPECT_THAT(error_of(record_of("sagittal", 1, 1)), HasSubstr("on another grid than its image"));
}

TEST(DicomRecord, AFileOfOneImageNeedsNoSlice) {
  auto manifest = record_of("rle.dcm", -1, 1);
  const auto grey = read_image_of(manifest, manifest.records()[0]);
  EXPECT_EQ(grey.image.channels, 1);
  EXPECT_EQ(grey.image.width, 5);
  EXPECT_TRUE(grey.window.has_value());
  manifest = record_of("rgb.dcm", -1, 1);
  EXPECT_EQ(read_image_of(manifest, manifest.records()[0]).image.channels, 3);
  manifest = record_of("series", -1, 1);
  EXPECT_THROW(read_image_of(manifest, manifest.records()[0]), DataError);
  manifest = record_of("tilted", 1, 1);
  const auto tilted = read_image_of(manifest, manifest.records()[0]);
  ASSERT_FALSE(tilted.notes.empty());
  EXPECT_THAT(tilted.notes[0], HasSubstr("gantry tilt"));
}

}  // namespace
}  // namespace medseg
