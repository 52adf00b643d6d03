#include <cstdlib>

#include <gmock/gmock.h>

#include "medseg/volume/morphology.h"
#include "support/assets.h"
#include "volume/golden_volume.h"

namespace medseg {
namespace {

using testing::HasSubstr;

std::string error_of_file(const std::string& name) {
  return error_of(read_file(golden_volume_folder() / name));
}

TEST(Inv3, MasksLieOnTheMatrix) {
  const auto path = golden_volume_folder() / "project.inv3";
  const Volume scan = read_volume(path);
  const Volume mask = read_inv3_mask(path, 0);
  EXPECT_EQ(mask.size, scan.size);
  EXPECT_EQ(mask.affine, scan.affine);
  EXPECT_EQ(threshold(mask, 1, 1), threshold(scan, 11, 1e9));
  EXPECT_EQ(inv3_mask_names(path), (std::vector<std::string>{"Máscara 1"}));
  EXPECT_THROW(read_inv3_mask(path, 1), DataError);
  EXPECT_THROW(read_inv3_mask(path, -1), DataError);
}

TEST(Inv3, FaultsAreNamed) {
  EXPECT_THAT(error_of_file("short_matrix.inv3"), HasSubstr("118 bytes, its shape needs 120"));
  EXPECT_THAT(error_of_file("no_matrix.inv3"), HasSubstr("no matrix.dat"));
  EXPECT_THAT(error_of_file("floats.inv3"), HasSubstr("float64"));
  EXPECT_THAT(error_of_file("flat.inv3"), HasSubstr("spacing"));
  EXPECT_THROW(read_inv3_mask(golden_volume_folder() / "short_mask.inv3", 0), DataError);
  EXPECT_THROW(read_inv3_mask(golden_volume_folder() / "lps.nrrd", 0), DataError);
}

TEST(Inv3Integration, TheMasksOfTheRealSkullAreThresholds) {
  const auto root = asset_folder();
  std::filesystem::path path;
  std::error_code error;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root, error)) {
    if (entry.path().filename() == "Cranium.inv3") path = entry.path();
  }
  if (path.empty()) GTEST_SKIP() << "no Cranium.inv3 below " << root;
  const Volume scan = read_volume(path);
  EXPECT_EQ(scan.size, (std::array<std::int64_t, 3>{256, 256, 108}));
  EXPECT_EQ(threshold(read_inv3_mask(path, 0), 1, 1), threshold(scan, 226, 3071));
  EXPECT_EQ(threshold(read_inv3_mask(path, 1), 1, 1), threshold(scan, -142, 2986));
}

}  // namespace
}  // namespace medseg
