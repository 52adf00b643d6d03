/// \file
/// The scans of the demonstration set: the voxels of every structure, and the split of each slice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"

namespace medseg {

struct DemoStructure {
  std::string label;  ///< as in the phrase tables
  std::string kind;   ///< where the mask comes from: "rule", "shipped", "atlas", "probability"
  VoxelMask voxels;
};

/// How the slices of a scan are divided into splits.
enum class DemoSplit {
  kSlab,         ///< 20 slices: 12 train, 2 gap, 2 val, 2 gap, 2 test
  kTrain,        ///< the whole subject
  kTrainAndVal,  ///< training, but for one block of two slices with gaps around it
  kTest,         ///< the whole subject
  kTestThinned,  ///< every second slice, and all slices with a tumour
};

struct DemoScan {
  std::string name;  ///< "ct-head": the prefix of its slices' ids
  std::string subject;
  std::string modality;
  std::string region;  ///< "head", "chest" or "brain" (skull-stripped)
  std::string source;
  std::string licence;
  DemoSplit split = DemoSplit::kSlab;
  Volume image;  ///< in canonical orientation
  Window window;
  std::vector<DemoStructure> structures;
  std::vector<std::string> lacking;    ///< structures of this anatomy that are nowhere in this scan
  std::vector<std::string> elsewhere;  ///< structures of other anatomy
};

/// Smaller masks are not asked for, neither as present nor as absent.
inline constexpr std::int64_t kMinPixels = 30;
// The nearest voxel of an absent structure is at least this far away, both in slices and in mm.
inline constexpr std::int64_t kFarSlices = 3;
inline constexpr double kFarMm = 12;

/// Names of the scans, in the order of the set.
std::vector<std::string> demo_scan_names();

/// \throws DataError if a file is missing or unreadable.
DemoScan load_demo_scan(const std::string& name, const std::filesystem::path& assets);

/// "train", "val", "test", or "" for a slice that is left out.
std::string split_of_slice(const DemoScan& scan, std::int64_t k);
/// True if slices of the scan's subject are in more than one split.
bool is_slab(const DemoScan& scan);

/// Names of the levels from below: "lowest" to "highest".
const std::vector<std::string>& demo_levels();

/// Which structures a slice shows and which it surely does not show, by label.
struct SliceContent {
  std::string scan;              ///< name of the scan
  std::string region, modality;  ///< of the scan
  /// One of `demo_levels`; empty where the region has no levels.
  std::string level;
  std::vector<std::string> present;      ///< with at least kMinPixels
  std::vector<std::string> absent_near;  ///< structures of this anatomy that are not in this slice
  std::vector<std::string> absent_far;   ///< structures of other anatomy
};
/// One entry per slice.
std::vector<SliceContent> slice_contents(const DemoScan& scan);

}  // namespace medseg
