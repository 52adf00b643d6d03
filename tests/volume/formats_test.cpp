#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::filesystem::path folder() {
  return std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden/formats";
}

const nlohmann::json& cases() {
  static const auto json = nlohmann::json::parse(read_file(folder() / "cases.json"));
  return json;
}

void expect_affine(const Volume& volume, const nlohmann::json& affine, const std::string& what) {
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column)
      EXPECT_NEAR(volume.affine[row][column], affine[row][column].get<double>(), 1e-5) << what;
  }
}

std::string refusal(const std::filesystem::path& path,
                    std::optional<std::int64_t> index = std::nullopt) {
  try {
    read_volume(path, index);
  } catch (const DataError& error) {
    return error.what();
  }
  return "";
}

TEST(Formats, EveryKindOfFileHoldsTheSameScan) {
  for (const auto& row : cases()["volumes"]) {
    const std::string file = row["file"];
    std::optional<std::int64_t> index;
    if (row.contains("index")) index = row["index"].get<std::int64_t>();
    EXPECT_TRUE(volume_format(folder() / file).has_value()) << file;
    const Volume volume = read_volume(folder() / file, index);
    EXPECT_EQ(volume.size, (row["size"].get<std::array<std::int64_t, 3>>())) << file;
    EXPECT_EQ(volume.voxels, row["values"].get<std::vector<float>>()) << file;
    expect_affine(volume, row["affine"], file);
  }
}

TEST(Formats, All48OrientationsTurnAndComeBack) {
  ASSERT_EQ(cases()["turns"].size(), 48U);
  for (const auto& row : cases()["turns"]) {
    const std::string name = row["name"];
    Volume stored;
    stored.size = {2, 3, 4};
    for (int i = 0; i < 24; ++i) stored.voxels.push_back(static_cast<float>(i));
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t c = 0; c < 4; ++c) stored.affine[r][c] = row["affine"][r][c];
    }
    EXPECT_EQ(axes_name(stored), name);
    const Volume turned = to_canonical(stored);
    EXPECT_EQ(turned.size, (row["size"].get<std::array<std::int64_t, 3>>())) << name;
    EXPECT_EQ(turned.voxels, row["values"].get<std::vector<float>>()) << name;
    expect_affine(turned, row["turned"], name);
    EXPECT_EQ(axes_name(turned), "RAS");
    EXPECT_EQ(from_canonical(threshold(turned, 7, 12), stored), threshold(stored, 7, 12)) << name;
  }
}

TEST(Formats, SeveralVolumesAskForOne) {
  EXPECT_THAT(refusal(folder() / "four_d.nii.gz"),
              AllOf(HasSubstr("3 volumes"), HasSubstr("\"volume\": 0 to 2")));
  EXPECT_THAT(refusal(folder() / "four_d.nii.gz", 3), HasSubstr("volume 3 is out of range"));
  EXPECT_THAT(refusal(folder() / "layers.seg.nrrd"), HasSubstr("2 volumes"));
  EXPECT_THAT(refusal(folder() / "layers.seg.nrrd", 2), HasSubstr("out of range"));
  EXPECT_THAT(refusal(folder() / "scan.mha", 1), HasSubstr("volume 1 is out of range"));
  EXPECT_EQ(refusal(folder() / "plain.nii.gz", 0), "");
}

TEST(Formats, OtherKindsAreNamed) {
  EXPECT_THAT(refusal(folder() / "rgb.nii.gz"), HasSubstr("RGB colours"));
  EXPECT_THAT(refusal(folder() / "complex.nii.gz"), HasSubstr("complex numbers"));
  EXPECT_THAT(refusal(folder() / "analyze.hdr"), HasSubstr("Analyze 7.5"));
  EXPECT_THAT(error_of("\x93NUMPY"), HasSubstr("NumPy"));
  EXPECT_THAT(error_of(""), HasSubstr("an empty file"));
  EXPECT_THAT(error_of(std::string(128, '\0') + "DICM"), HasSubstr("has no data set"));
  EXPECT_THAT(error_of(std::string("\x08\0\x05\0CS\x0a\0ISO_IR 100", 18)),
              HasSubstr("a DICOM file without an image"));
  EXPECT_THAT(refusal(folder()), HasSubstr("a folder is a DICOM series here"));
  EXPECT_FALSE(volume_format(folder() / "cases.json").has_value());
  EXPECT_FALSE(volume_format(folder() / "tail.raw").has_value());
}

TEST(Formats, MetaImagesThatContradictThemselves) {
  const std::string whole = read_file(folder() / "scan.mha");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    const auto at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return error_of(text.replace(at, from.size(), to));
  };
  EXPECT_THAT(with("NDims = 3", "NDims = 4"), HasSubstr("4 dimensions"));
  EXPECT_THAT(with("DimSize = 5 4 3", "DimSize = 5 4"), HasSubstr("2 numbers, expected 3"));
  EXPECT_THAT(with("DimSize = 5 4 3", "DimSize = 50 40 30"), HasSubstr("truncated"));
  EXPECT_THAT(with("DimSize = 5 4 3", "DimSize = 99999 99999 9999"), HasSubstr("at most"));
  EXPECT_THAT(with("DimSize = 5 4 3", "DimSize = 5 4 -3"), HasSubstr("out of range"));
  EXPECT_THAT(with("MET_SHORT", "MET_SHORT_ARRAY"), HasSubstr("one real number a voxel"));
  EXPECT_THAT(with("ElementSpacing = 0", "ElementSpacing = 0 0 0\nJunk = 0"),
              HasSubstr("span space"));
  EXPECT_THAT(with("LOCAL", "/etc/passwd"), HasSubstr("in the folder of the header"));
  EXPECT_THAT(with("LOCAL", "../secret.raw"), HasSubstr("in the folder of the header"));
  EXPECT_THAT(with("LOCAL", "gone.raw"), HasSubstr("which is not beside it"));
  EXPECT_THAT(with("LOCAL", "slice%03d.raw"), HasSubstr("a file a slice"));
  EXPECT_THAT(with("CompressedData = False", "CompressedData = True"), HasSubstr("gzip stream"));
  EXPECT_THAT(with("ElementDataFile", "ElementDataFole"), HasSubstr("without ElementDataFile"));
  for (std::size_t size = 0; size < whole.size(); size += 7)
    EXPECT_NE(error_of(whole.substr(0, size)), "no error") << size;
}

}  // namespace
}  // namespace medseg
