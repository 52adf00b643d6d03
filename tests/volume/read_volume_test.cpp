#include <cmath>
#include <cstring>

#include <gmock/gmock.h>

#include "medseg/base/random.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

using testing::HasSubstr;

std::string golden_bytes(const std::string& name) {
  return read_file(golden_volume_folder() / name);
}

template <class T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
  return bytes;
}

std::string with_text(std::string bytes, const std::string& from, const std::string& to) {
  const auto at = bytes.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return bytes.replace(at, from.size(), to);
}

void expect_equal(const Volume& volume, const nlohmann::json& expected, const std::string& what) {
  EXPECT_EQ(volume.size, (expected["size"].get<std::array<std::int64_t, 3>>())) << what;
  for (std::size_t row = 0; row < 3; ++row) {
    for (std::size_t column = 0; column < 4; ++column) {
      EXPECT_NEAR(volume.affine[row][column], expected["affine"][row][column].get<double>(), 1e-5)
          << what << " " << row << " " << column;
    }
  }
  EXPECT_EQ(volume.voxels, expected["values"].get<std::vector<float>>()) << what;
}

TEST(ReadVolume, EqualsNibabelAndPynrrd) {
  for (const auto& row : golden_volume("scans")) {
    const std::string file = row["file"];
    const Volume volume = read_volume(golden_volume_folder() / file);
    expect_equal(volume, row, file);
    expect_equal(to_canonical(volume), row["canonical"], file + " canonical");
  }
}

TEST(ReadVolume, EveryTruncationIsFound) {
  for (const auto& row : golden_volume("scans")) {
    const std::string whole = golden_bytes(row["file"]);
    // Behind the last voxel a gzip stream still carries its check sum: not needed to read the scan.
    const std::size_t needed =
        whole.size() - (whole.find("\x1f\x8b") == std::string::npos ? 1 : 16);
    for (std::size_t size = 0; size <= needed; size += 1 + whole.size() / 40) {
      EXPECT_NE(error_of(whole.substr(0, size)), "no error") << row["file"] << " " << size;
    }
  }
}

TEST(ReadVolume, DamagedFilesNeverCrash) {
  RandomStream random(3, "damage");
  for (const auto& row : golden_volume("scans")) {
    const std::string whole = golden_bytes(row["file"]);
    for (int n = 0; n < 60; ++n) {
      std::string bytes = whole;
      for (std::size_t i = 1 + random.below(5); i > 0; --i) {
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      }
      const std::string error = error_of(bytes);
      EXPECT_THAT(error, testing::AnyOf("no error", HasSubstr("scan: "))) << row["file"];
    }
  }
}

TEST(ReadVolume, ForeignBytesAreNamed) {
  EXPECT_THAT(error_of("hello"), HasSubstr("known are NIfTI, NRRD"));
  EXPECT_THAT(error_of(""), HasSubstr("known are NIfTI, NRRD"));
  EXPECT_THAT(error_of("\x1f\x8b garbage"), HasSubstr("gzip"));
  EXPECT_THROW(read_volume("/nowhere/scan.nii"), DataError);
}

TEST(ReadVolume, NiftiHeadersThatContradictThemselves) {
  const std::string nifti = golden_bytes("int16_little.nii");
  EXPECT_THAT(error_of(with<std::int16_t>(nifti, 70, 128)), HasSubstr("data type 128"));
  EXPECT_THAT(error_of(with<std::int16_t>(nifti, 72, 8)), HasSubstr("bits a voxel"));
  EXPECT_THAT(error_of(with<std::int16_t>(nifti, 40, 9)), HasSubstr("dimensions"));
  EXPECT_THAT(error_of(with<std::int16_t>(nifti, 42, -5)), HasSubstr("voxels"));
  EXPECT_THAT(error_of(with<std::int16_t>(nifti, 42, 0)), HasSubstr("voxels"));
  EXPECT_THAT(error_of(with<float>(nifti, 108, 100.0F)), HasSubstr("voxels at byte 100"));
  EXPECT_THAT(error_of(with<float>(nifti, 108, NAN)), HasSubstr("voxels at byte"));
  EXPECT_THAT(error_of(with<float>(nifti, 280, NAN)), HasSubstr("span space"));
  EXPECT_THAT(error_of(with_text(nifti, std::string("n+1\0", 4), std::string("ni1\0", 4))),
              HasSubstr("NIfTI pair"));
  std::string flat = nifti;
  std::memset(flat.data() + 280, 0, 48);
  EXPECT_THAT(error_of(flat), HasSubstr("span space"));
  std::string several = with<std::int16_t>(nifti, 40, 4);
  EXPECT_THAT(error_of(with<std::int16_t>(several, 48, 7)), HasSubstr("7 volumes"));
  const std::string quaternion = golden_bytes("qform.nii");
  EXPECT_THAT(error_of(with<float>(quaternion, 256, 3.0F)), HasSubstr("quaternion"));
}

TEST(ReadVolume, OversizedSizesAllocateNothing) {
  std::string nifti = golden_bytes("uint8_little.nii");
  for (const std::size_t at : {42U, 44U, 46U}) nifti = with<std::int16_t>(nifti, at, 32767);
  EXPECT_THAT(error_of(nifti), HasSubstr("at most"));
  std::string second = golden_bytes("second.nii");
  for (const std::size_t at : {24U, 32U, 40U}) {
    second = with<std::int64_t>(second, at, std::int64_t{1} << 40);
  }
  EXPECT_THAT(error_of(second), HasSubstr("at most"));
  const std::string nrrd = golden_bytes("lps.nrrd");
  EXPECT_THAT(error_of(with_text(nrrd, "sizes: 5 4 3", "sizes: 500 400 300")),
              HasSubstr("cannot hold"));
  EXPECT_THAT(error_of(with_text(nrrd, "sizes: 5 4 3", "sizes: 99999 99999 999999")),
              HasSubstr("at most"));
}

TEST(ReadVolume, SlopeZeroMeansNotScaledAndNotANumberToo) {
  const std::string nifti = golden_bytes("slope.nii");
  const Volume plain = read_volume(written(with<float>(nifti, 112, 0.0F)));
  EXPECT_EQ(read_volume(written(with<float>(nifti, 112, NAN))).voxels, plain.voxels);
  EXPECT_NE(read_volume(written(nifti)).voxels, plain.voxels);
  EXPECT_THAT(error_of(with<float>(nifti, 116, NAN)), HasSubstr("intercept"));
}

TEST(ReadVolume, NiftiUnitsBecomeMillimetres) {
  const std::string nifti = golden_bytes("int16_little.nii");
  const auto mm = read_volume(written(with<std::uint8_t>(nifti, 123, 2))).spacing_mm();
  const auto from_metres = read_volume(written(with<std::uint8_t>(nifti, 123, 1))).spacing_mm();
  EXPECT_NEAR(from_metres[0], 1000 * mm[0], 1e-6);
}

TEST(ReadVolume, NrrdHeadersThatContradictThemselves) {
  const std::string nrrd = golden_bytes("lps.nrrd");
  EXPECT_THAT(error_of(with_text(nrrd, "dimension: 3", "dimension: 4")),
              HasSubstr("dimension and sizes"));
  EXPECT_THAT(error_of(with_text(nrrd, "encoding: gzip", "encoding: bzip2")), HasSubstr("bzip2"));
  EXPECT_THAT(error_of(with_text(nrrd, "encoding: gzip", "data file: /etc/passwd\nencoding: gzip")),
              HasSubstr("in the folder of the header"));
  EXPECT_THAT(error_of(with_text(nrrd, "endian: little", "endian: middle")), HasSubstr("endian"));
  EXPECT_THAT(error_of(with_text(nrrd, "endian: little\n", "")), HasSubstr("endian"));
  EXPECT_THAT(error_of(with_text(nrrd, "left-posterior-superior", "scanner-xyz")),
              HasSubstr("known are LPS"));
  EXPECT_THAT(error_of(with_text(nrrd, "encoding: gzip", "byte skip: 4\nencoding: gzip")),
              HasSubstr("truncated"));
  EXPECT_THAT(error_of("NRRD0004\ntype: short\n"), HasSubstr("\"sizes\" is missing"));
}

}  // namespace
}  // namespace medseg
