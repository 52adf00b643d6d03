// Masks that go back to the grid of their scan.
#include "medseg/volume/write_mask.h"

#include <gmock/gmock.h>

#include "medseg/base/random.h"
#include "medseg/volume/slice_masks.h"
#include "support/temp_folder_fixture.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class WriteMask : public TempFolderTest {};

VoxelMask some_voxels(const std::array<std::int64_t, 3>& size) {
  VoxelMask mask(size);
  RandomStream random(5, "mask");
  for (auto& voxel : mask.voxels) voxel = random.below(3) == 0 ? 1 : 0;
  return mask;
}

std::vector<float> as_floats(const VoxelMask& mask) {
  return {mask.voxels.begin(), mask.voxels.end()};
}

std::vector<fs::path> golden_scans() {
  std::vector<fs::path> files;
  for (const auto& row : golden_volume("scans"))
    files.push_back(golden_volume_folder() / row["file"].get<std::string>());
  return files;
}

TEST_F(WriteMask, NiftiOfANiftiHasItsAffineToTheLastBit) {
  for (const auto& file : golden_scans()) {
    const Volume scan = read_volume(file);
    const VoxelMask mask = some_voxels(scan.size);
    for (const auto format : {MaskVolumeFormat::kNiftiGz, MaskVolumeFormat::kNifti}) {
      write_mask_volume(folder_ / "mask", format, mask, scan, file);
      const Volume back = read_volume(folder_ / "mask");
      EXPECT_EQ(back.size, scan.size) << file;
      EXPECT_EQ(back.voxels, as_floats(mask)) << file;
      if (volume_format(file) == VolumeFormat::kNifti) {
        EXPECT_EQ(back.affine, scan.affine) << file;
      } else {
        EXPECT_TRUE(same_grid(back, scan)) << file;
      }
    }
  }
}

TEST_F(WriteMask, AGuessedAffineIsWrittenAsTheFormAndTheQuaternion) {
  Volume scan;
  scan.size = {3, 4, 5};
  scan.voxels.resize(60);
  for (const bool mirrored : {false, true}) {
    // A turn about an oblique axis, columns of 0.8, 1.5 and 3 mm.
    const double c = std::cos(0.4), s = std::sin(0.4);
    scan.affine = {{{0.8 * c, -1.5 * s, 0, -71.25},
                    {0.8 * s, 1.5 * c, 0, 13.5},
                    {0, 0, mirrored ? -3.0 : 3.0, 4.75}}};
    write_mask_volume(folder_ / "mask.nii", MaskVolumeFormat::kNifti, some_voxels(scan.size), scan);
    std::string bytes = read_file(folder_ / "mask.nii");
    const Volume by_form = read_volume(folder_ / "mask.nii");
    bytes[254] = 0;  // sform_code: the quaternion speaks
    const Volume by_quaternion = read_volume(written(bytes));
    for (std::size_t row = 0; row < 3; ++row) {
      for (std::size_t column = 0; column < 4; ++column) {
        EXPECT_NEAR(by_form.affine[row][column], scan.affine[row][column], 1e-5);
        EXPECT_NEAR(by_quaternion.affine[row][column], scan.affine[row][column], 1e-5);
      }
    }
  }
}

TEST_F(WriteMask, AShearedGridHasNoQuaternion) {
  Volume scan;
  scan.size = {2, 2, 2};
  scan.affine = {{{1, 0, 0, 0}, {0, 1, 0.7, 0}, {0, 0, 3, 0}}};
  write_mask_volume(folder_ / "mask.nii", MaskVolumeFormat::kNifti, VoxelMask(scan.size), scan);
  const std::string bytes = read_file(folder_ / "mask.nii");
  EXPECT_EQ(bytes[252], 0);
  EXPECT_TRUE(same_grid(read_volume(folder_ / "mask.nii"), scan));
}

TEST_F(WriteMask, NrrdAndMetaImageLieOnTheGridToo) {
  for (const auto& file : golden_scans()) {
    const Volume scan = read_volume(file);
    const VoxelMask mask = some_voxels(scan.size);
    for (const auto format : {MaskVolumeFormat::kNrrd, MaskVolumeFormat::kMetaImage}) {
      write_mask_volume(folder_ / "mask", format, mask, scan, file);
      const Volume back = read_volume(folder_ / "mask");
      EXPECT_EQ(back.voxels, as_floats(mask)) << file;
      for (std::size_t row = 0; row < 3; ++row) {
        for (std::size_t column = 0; column < 4; ++column)
          EXPECT_NEAR(back.affine[row][column], scan.affine[row][column], 1e-9) << file;
      }
    }
  }
}

TEST_F(WriteMask, TextsOfTheScansHeaderStayBehind) {
  std::string bytes = read_file(golden_volume_folder() / "int16_little.nii");
  bytes.replace(14, 9, "DOE^JANE1");   // db_name
  bytes.replace(148, 9, "DOE^JANE2");  // descrip
  bytes.replace(228, 9, "DOE^JANE3");  // aux_file
  write_file(folder_ / "scan.nii", bytes);
  const Volume scan = read_volume(folder_ / "scan.nii");
  write_mask_volume(folder_ / "mask.nii", MaskVolumeFormat::kNifti, VoxelMask(scan.size), scan,
                    folder_ / "scan.nii");
  EXPECT_THAT(read_file(folder_ / "mask.nii"), Not(HasSubstr("DOE")));
}

TEST_F(WriteMask, EqualMasksAreEqualFiles) {
  const auto file = golden_volume_folder() / "qform.nii";
  const Volume scan = read_volume(file);
  for (const char* name : {"a", "b"}) {
    write_mask_volume(folder_ / name, MaskVolumeFormat::kNiftiGz, some_voxels(scan.size), scan,
                      file);
  }
  EXPECT_EQ(read_file(folder_ / "a"), read_file(folder_ / "b"));
}

TEST(SliceMasks, PutAndTakenInTheViewOfTheSlices) {
  Volume volume;
  volume.size = {4, 3, 5};
  const VoxelMask mask = some_voxels(volume.size);
  volume.voxels = as_floats(mask);
  for (int axis = 0; axis < 3; ++axis) {
    VoxelMask built(volume.size);
    for (std::int64_t k = 0; k < volume.size[static_cast<std::size_t>(axis)]; ++k) {
      const Mask seen = axial_mask(slice_along(volume, axis, k), 0);
      EXPECT_EQ(slice_of(mask, axis, k), seen) << axis << " " << k;
      put_slice(built, axis, k, seen);
    }
    EXPECT_EQ(built, mask) << axis;
  }
}

TEST(SliceMasks, APieceNeedsANeighbourThatCoversIt) {
  for (int axis = 0; axis < 3; ++axis) {
    VoxelMask mask({6, 6, 6});
    const auto set = [&](VoxelMask& to, int slice, int x, int y) {
      Mask one = slice_of(to, axis, slice);
      one.pixels[static_cast<std::size_t>(y * 6 + x)] = 1;
      put_slice(to, axis, slice, one);
    };
    VoxelMask expected = mask;
    // Two slices that overlap in one voxel of a larger piece.
    for (auto* to : {&mask, &expected}) {
      set(*to, 1, 1, 1);
      set(*to, 1, 2, 1);
      set(*to, 2, 2, 1);
    }
    set(mask, 1, 5, 5);  // alone
    set(mask, 2, 4, 4);  // touches the one above by an edge only
    set(mask, 4, 2, 1);  // a slice lies between
    EXPECT_EQ(supported_by_neighbours(mask, axis), expected) << axis;
  }
}

TEST(SliceMasks, MeasuresInMillilitresAndMillimetres) {
  Volume grid;
  grid.size = {10, 10, 4};
  grid.affine = {{{0.5, 0, 0, 7}, {0, 2, 0, -3}, {0, 0, 5, 0}}};
  VoxelMask mask(grid.size);
  for (int k = 1; k < 3; ++k) {
    for (int j = 2; j < 5; ++j) {
      for (int i = 4; i < 8; ++i) mask.voxels[static_cast<std::size_t>((k * 10 + j) * 10 + i)] = 1;
    }
  }
  const auto measures = measure(mask, grid, 2);
  EXPECT_EQ(measures.voxels, 24);
  EXPECT_NEAR(measures.volume_ml, 24 * 5.0 / 1000, 1e-12);
  EXPECT_EQ(measures.extent_mm, (std::array<double, 3>{2, 6, 10}));
  EXPECT_EQ(measures.slices, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(measures.areas_mm2, (std::vector<double>{12, 12}));
  EXPECT_EQ(measure(VoxelMask(grid.size), grid, 0).extent_mm, (std::array<double, 3>{0, 0, 0}));
}

}  // namespace
}  // namespace medseg
