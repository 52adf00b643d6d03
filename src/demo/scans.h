/// \file
/// The scans of the demonstration set with every structure's voxels, and which slices go where.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "medseg/volume/morphology.h"
#include "medseg/volume/volume.h"

namespace medseg {

struct DemoStructure {
  std::string label;  ///< of the phrase tables
  std::string kind;   ///< "rule", "shipped", "atlas", "probability"
  VoxelMask voxels;
};

/// How the slices of a scan are given to splits.
enum class DemoSplit {
  kSlab,         ///< 20 slices: 12 train, 2 gap, 2 val, 2 gap, 2 test
  kTrain,        ///< the whole subject
  kTrainAndVal,  ///< training but for one block of two slices with gaps
  kTest,         ///< the whole subject
  kTestThinned,  ///< every second slice, and all with a tumour
};

struct DemoScan {
  std::string name;  ///< "ct-head": front of every id
  std::string subject;
  std::string modality;
  std::string region;  ///< "head", "chest", "brain" (stripped of all round it)
  std::string source;
  std::string licence;
  DemoSplit split = DemoSplit::kSlab;
  Volume image;  ///< canonical
  Window window;
  std::vector<DemoStructure> structures;
  std::vector<std::string> lacking;    ///< of this anatomy, but nowhere in this scan
  std::vector<std::string> elsewhere;  ///< of other anatomy
};

inline constexpr std::int64_t kMinPixels = 30;  ///< smaller masks are neither asked for nor denied
// An absent structure's nearest voxel lies at least so far away, both in slices and in mm.
inline constexpr std::int64_t kFarSlices = 3;
inline constexpr double kFarMm = 12;

/// Names in the order of the set.
std::vector<std::string> demo_scan_names();

/// \throws DataError if a file is missing or unreadable.
DemoScan load_demo_scan(const std::string& name, const std::filesystem::path& assets);

/// "train", "val", "test", or "" for a slice that is left out.
std::string split_of_slice(const DemoScan& scan, std::int64_t k);
/// True if the scan's subject stands in more than one split.
bool is_slab(const DemoScan& scan);

/// From below: "lowest" to "highest".
const std::vector<std::string>& demo_levels();

/// What a slice shows and what it surely does not show, by label.
struct SliceContent {
  std::string scan;                      ///< its name
  std::string region, modality;          ///< of the scan
  std::string level;                     ///< of `demo_levels`; empty where levels mean nothing
  std::vector<std::string> present;      ///< at least kMinPixels
  std::vector<std::string> absent_near;  ///< of this anatomy, not in this slice
  std::vector<std::string> absent_far;   ///< of other anatomy
};
/// One entry a slice.
std::vector<SliceContent> slice_contents(const DemoScan& scan);

}  // namespace medseg
