// Contours out and in.
#include "medseg/volume/dicom_structures.h"

#include <gmock/gmock.h>

#include "medseg/base/random.h"
#include "support/temp_folder_fixture.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

fs::path dicom_folder() { return fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/dicom"; }

VoxelMask turned(const VoxelMask& mask, const Volume& stored) {
  Volume volume = stored;
  volume.voxels.assign(mask.voxels.begin(), mask.voxels.end());
  const Volume canonical = to_canonical(volume);
  VoxelMask out(canonical.size);
  for (std::size_t i = 0; i < out.voxels.size(); ++i)
    out.voxels[i] = canonical.voxels[i] != 0 ? 1 : 0;
  return out;
}

class DicomStructures : public TempFolderTest {};

TEST_F(DicomStructures, WhatIsWrittenIsReadBackVoxelForVoxel) {
  RandomStream random(11, "structures");
  for (const char* name : {"series", "tilted", "sagittal", "enhanced.dcm"}) {
    const Volume scan = read_volume(dicom_folder() / name);
    for (int round = 0; round < 4; ++round) {
      // Corners that touch, holes, single voxels.
      VoxelMask first(scan.size), second(scan.size);
      for (auto& voxel : first.voxels) voxel = random.below(2) == 0 ? 1 : 0;
      for (auto& voxel : second.voxels) voxel = random.below(4) != 0 ? 1 : 0;
      const auto numbers = write_dicom_structures(
          folder_ / "rt.dcm", dicom_folder() / name, std::nullopt,
          {{"liver", first}, {"nothing", VoxelMask(scan.size)}, {"lesion", second}});
      EXPECT_EQ(numbers, (std::vector<int>{1, 0, 2})) << name;
      EXPECT_TRUE(is_dicom_structures(folder_ / "rt.dcm"));
      const Volume grid = to_canonical(scan);
      EXPECT_EQ(read_dicom_structure(folder_ / "rt.dcm", 1, grid), turned(first, scan)) << name;
      EXPECT_EQ(read_dicom_structure(folder_ / "rt.dcm", 2, grid), turned(second, scan)) << name;
    }
  }
}

TEST_F(DicomStructures, FaultsAreNamed) {
  const Volume scan = read_volume(dicom_folder() / "series");
  VoxelMask mask(scan.size);
  mask.voxels[22] = 1;
  write_dicom_structures(folder_ / "rt.dcm", dicom_folder() / "series", std::nullopt,
                         {{"liver", mask}});
  const auto error_on = [&](const Volume& grid, std::int64_t number) {
    try {
      read_dicom_structure(folder_ / "rt.dcm", number, grid);
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  Volume grid = to_canonical(scan);
  EXPECT_EQ(error_on(grid, 1), "");
  EXPECT_THAT(error_on(grid, 2), HasSubstr("no region 2; known are 1"));
  grid.affine[2][3] += 1.5;
  EXPECT_THAT(error_on(grid, 1), HasSubstr("between two slices"));
  grid.affine[2][3] += 100.5;
  EXPECT_THAT(error_on(grid, 1), HasSubstr("outside of the image"));
  EXPECT_FALSE(is_dicom_structures(dicom_folder() / "seg.dcm"));
  try {
    read_volume(folder_ / "rt.dcm");
    FAIL();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("(RTSTRUCT) without an image"));
  }
}

}  // namespace
}  // namespace medseg
