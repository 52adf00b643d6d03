// Rules that make the masks from the voxels; data/README.md names the sources.
#include "scans.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Labels = std::vector<std::string>;

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr const char* kTemplates = "mricron-data/usr/share/mricron/templates";

Volume read_canonical(const fs::path& path) { return to_canonical(read_volume(path)); }

/// The patient without the table: the largest component above -300 HU, holes filled in each slice.
VoxelMask body_of(const Volume& hu) {
  return fill_holes_by_slice(largest_components(open(threshold(hu, -299, kInfinite), 2)));
}

const Labels kChest = {"lungs", "trunk", "thoracic bones", "lung tumour"};
const Labels kBrainStructures = {"brain",
                                 "hippocampus",
                                 "amygdala",
                                 "caudate",
                                 "putamen",
                                 "pallidum",
                                 "thalamus",
                                 "insula",
                                 "cerebellum",
                                 "precentral gyrus",
                                 "calcarine cortex",
                                 "cuneus",
                                 "fusiform gyrus",
                                 "grey matter",
                                 "white matter",
                                 "brain tumour",
                                 "head",
                                 "skull",
                                 "air-filled sinuses"};

DemoScan ct_head(const fs::path& assets) {
  DemoScan scan;
  scan.subject = "invesalius-cranium";
  scan.modality = "ct";
  scan.region = "head";
  scan.source = "Cranium.inv3 of Debian package invesalius-examples 3.1.99998-4";
  scan.licence = "GPL-2";
  scan.image = read_canonical(
      assets / "invesalius-examples/usr/share/doc/invesalius-examples/examples" / "Cranium.inv3");
  scan.window = named_window("ct-bone");
  const VoxelMask body = body_of(scan.image);
  scan.structures = {
      {"skull", "rule", intersection(threshold(scan.image, 226, 3071), body)},
      {"head", "rule", body},
      {"air-filled sinuses", "rule",
       open(intersection(threshold(scan.image, -kInfinite, -401), body))},
  };
  scan.elsewhere = {"lungs", "lung tumour", "thoracic bones"};
  return scan;
}

DemoScan ct_thorax(const fs::path& assets, const std::string& number) {
  DemoScan scan;
  scan.subject = "pyradiomics-lung" + number;
  scan.modality = "ct";
  scan.region = "chest";
  scan.source = "lung" + number + "_image.nrrd of PyPI package pyradiomics 3.0.1";
  scan.licence = "BSD-3-Clause (of the package; origin of the picture not stated)";
  scan.split = number == "2" ? DemoSplit::kTrainAndVal : DemoSplit::kTestThinned;
  const fs::path data = assets / "pyradiomics/pyradiomics-3.0.1/data";
  scan.image = read_canonical(data / ("lung" + number + "_image.nrrd"));
  scan.window = {"ct-thorax", -1000, 600};  // shows air, soft tissue and bone in one image
  const VoxelMask body = body_of(scan.image);
  const VoxelMask air = intersection(threshold(scan.image, -kInfinite, -401), body);
  // Cortex and marrow together: a threshold of 300 HU leaves little but outlines of ribs and
  // vertebrae.
  const VoxelMask bone = intersection(
      close_by_slice(intersection(threshold(scan.image, 200, kInfinite), body), 3), body);
  scan.structures = {
      {"lungs", "rule", close(largest_components(air, 2, 0.1), 2)},
      {"trunk", "rule", body},
      {"thoracic bones", "rule", bone},
      {"lung tumour", "shipped",
       threshold(read_canonical(data / ("lung" + number + "_label.nrrd")), 0.5, kInfinite)},
  };
  scan.elsewhere = kBrainStructures;
  return scan;
}

DemoScan mr_tumour(const fs::path& assets, const std::string& number) {
  DemoScan scan;
  scan.subject = "pyradiomics-brain" + number;
  scan.modality = "mr";
  scan.region = "head";
  scan.source = "brain" + number + "_image.nrrd of PyPI package pyradiomics 3.0.1";
  scan.licence = "BSD-3-Clause (of the package; origin of the picture not stated)";
  scan.split = number == "1" ? DemoSplit::kTrain : DemoSplit::kTest;
  const fs::path data = assets / "pyradiomics/pyradiomics-3.0.1/data";
  scan.image = read_canonical(data / ("brain" + number + "_image.nrrd"));
  scan.window = percentile_window(scan.image, 0.5, 99.5);
  const Volume smooth = blur_slices(scan.image, 1.0);
  const double level = 0.12 * percentile(smooth, 99.5);
  scan.structures = {
      {"brain tumour", "shipped",
       threshold(read_canonical(data / ("brain" + number + "_label.nrrd")), 0.5, kInfinite)},
      {"head", "rule", fill_holes_by_slice(close_by_slice(threshold(smooth, level, kInfinite), 3))},
  };
  scan.elsewhere = kChest;
  return scan;
}

/// Label numbers of aal.nii.txt ("1 Precentral_L 2001") by the name without its side.
std::map<std::string, std::vector<int>> atlas_numbers(const fs::path& path) {
  std::map<std::string, std::vector<int>> numbers;
  for (const auto& line : split(read_file(path), '\n')) {
    std::istringstream words(line);
    int number = 0;
    std::string name;
    if (!(words >> number >> name)) continue;
    if (name.ends_with("_L") || name.ends_with("_R")) name.resize(name.size() - 2);
    if (name.starts_with("Cerebel")) name = "Cerebellum";
    numbers[name].push_back(number);
  }
  return numbers;
}

DemoScan mr_colin(const fs::path& assets) {
  DemoScan scan;
  scan.subject = "colin27";
  scan.modality = "mr";
  scan.region = "head";
  scan.source = "ch2.nii.gz with aal.nii.gz of Debian package mricron-data 1.2.20211006+dfsg-4";
  scan.licence = "BSD-3-Clause";
  const fs::path data = assets / kTemplates;
  scan.image = read_canonical(data / "ch2.nii.gz");
  scan.window = percentile_window(scan.image, 0.5, 99.5);
  scan.structures.push_back(
      {"brain", "rule", threshold(read_canonical(data / "ch2bet.nii.gz"), 0.5, kInfinite)});
  const Volume atlas = read_canonical(data / "aal.nii.gz");
  const auto numbers = atlas_numbers(data / "aal.nii.txt");
  const std::vector<std::pair<const char*, const char*>> wanted = {
      {"hippocampus", "Hippocampus"},
      {"amygdala", "Amygdala"},
      {"caudate", "Caudate"},
      {"putamen", "Putamen"},
      {"pallidum", "Pallidum"},
      {"thalamus", "Thalamus"},
      {"insula", "Insula"},
      {"cerebellum", "Cerebellum"},
      {"precentral gyrus", "Precentral"},
      {"calcarine cortex", "Calcarine"},
      {"cuneus", "Cuneus"},
      {"fusiform gyrus", "Fusiform"},
  };
  for (const auto& [label, name] : wanted) {
    const auto it = numbers.find(name);
    if (it == numbers.end()) {
      throw DataError((data / "aal.nii.txt").string(), str_cat("no structure named ", name));
    }
    scan.structures.push_back({label, "atlas", labelled(atlas, it->second)});
  }
  scan.lacking = {"brain tumour"};
  scan.elsewhere = kChest;
  return scan;
}

DemoScan mr_mni(const fs::path& assets) {
  DemoScan scan;
  scan.subject = "mni152";
  scan.modality = "mr";
  scan.region = "brain";
  scan.source = "mni_icbm152 nonlinear symmetric 2009a of PyPI package nilearn 0.14.1";
  scan.licence = "BSD-3-Clause (of the package; template: not stated)";
  const fs::path data = assets / "nilearn/nilearn/datasets/data";
  const auto file = [&](const std::string& name) {
    return read_canonical(data / ("mni_icbm152_" + name + "_tal_nlin_sym_09a_converted.nii.gz"));
  };
  scan.image = file("t1");
  scan.window = percentile_window(scan.image, 0.5, 99.5);
  scan.structures = {
      {"grey matter", "probability", threshold(file("gm"), 127.5, kInfinite)},
      {"white matter", "probability", threshold(file("wm"), 127.5, kInfinite)},
  };
  scan.lacking = {"skull", "air-filled sinuses", "brain tumour"};  // a skull-stripped average
  scan.elsewhere = kChest;
  return scan;
}

/// Levels are fifths between the lowest and the highest slice with a structure. A region has levels
/// only if all its slices are of one subject, because fifths of two people cover different anatomy.
void find_levels(const DemoScan& scan, std::vector<SliceContent>& contents) {
  const auto& levels = demo_levels();
  std::size_t first = contents.size(), last = 0;
  for (std::size_t k = 0; k < contents.size(); ++k) {
    if (contents[k].present.empty()) continue;
    first = std::min(first, k);
    last = k;
  }
  for (std::size_t k = first; k <= last && k < contents.size(); ++k) {
    if (scan.split == DemoSplit::kSlab)
      contents[k].level = levels[(k - first) * levels.size() / (last - first + 1)];
  }
}

}  // namespace

const std::vector<std::string>& demo_levels() {
  static const std::vector<std::string> levels = {"lowest", "lower", "middle", "upper", "highest"};
  return levels;
}

std::vector<std::string> demo_scan_names() {
  return {"ct-head", "ct-lung2", "ct-lung1", "mr-brain1", "mr-brain2", "mr-colin", "mr-mni"};
}

DemoScan load_demo_scan(const std::string& name, const fs::path& assets) {
  DemoScan scan = name == "ct-head"     ? ct_head(assets)
                  : name == "ct-lung2"  ? ct_thorax(assets, "2")
                  : name == "ct-lung1"  ? ct_thorax(assets, "1")
                  : name == "mr-brain1" ? mr_tumour(assets, "1")
                  : name == "mr-brain2" ? mr_tumour(assets, "2")
                  : name == "mr-colin"  ? mr_colin(assets)
                                        : mr_mni(assets);
  scan.name = name;
  for (const auto& structure : scan.structures) {
    if (structure.voxels.size == scan.image.size) continue;
    throw DataError(
        name, str_cat("the voxels of \"", structure.label, "\" have another size than the scan"));
  }
  return scan;
}

bool is_slab(const DemoScan& scan) {
  return scan.split == DemoSplit::kSlab || scan.split == DemoSplit::kTrainAndVal;
}

std::string split_of_slice(const DemoScan& scan, std::int64_t k) {
  switch (scan.split) {
    case DemoSplit::kTrain:
      return "train";
    case DemoSplit::kTest:
      return "test";
    case DemoSplit::kTestThinned: {
      bool tumour = false;
      for (const auto& structure : scan.structures) {
        if (structure.kind == "shipped") tumour = axial_mask(structure.voxels, k).area() > 0;
      }
      return tumour || k % 2 == 0 ? "test" : "";
    }
    case DemoSplit::kTrainAndVal:  // one block above the tumour, all of which stays in training
      if (k == 40 || k == 41) return "val";
      return k >= 38 && k <= 43 ? "" : "train";
    case DemoSplit::kSlab:
      break;
  }
  const auto offset = k % 20;
  if (offset < 12) return "train";
  if (offset == 14 || offset == 15) return "val";
  return offset >= 18 ? "test" : "";
}

std::vector<SliceContent> slice_contents(const DemoScan& scan) {
  const auto slices = scan.image.size[2];
  const auto far = std::max(
      kFarSlices, static_cast<std::int64_t>(std::ceil(kFarMm / scan.image.spacing_mm()[2])));
  std::vector<SliceContent> contents(static_cast<std::size_t>(slices));
  for (const auto& structure : scan.structures) {
    std::vector<std::int64_t> area;
    for (std::int64_t k = 0; k < slices; ++k) {
      area.push_back(axial_mask(structure.voxels, k).area());
    }
    const auto is_there = [](std::int64_t pixels) { return pixels > 0; };
    const auto first = std::find_if(area.begin(), area.end(), is_there) - area.begin();
    const auto last = area.rend() - std::find_if(area.rbegin(), area.rend(), is_there) - 1;
    for (std::int64_t k = 0; k < slices; ++k) {
      auto& content = contents[static_cast<std::size_t>(k)];
      if (area[static_cast<std::size_t>(k)] >= kMinPixels) {
        content.present.push_back(structure.label);
      } else if (k <= first - far || k >= last + far) {
        content.absent_near.push_back(structure.label);
      }
    }
  }
  for (auto& content : contents) {
    content.absent_near.insert(content.absent_near.end(), scan.lacking.begin(), scan.lacking.end());
    content.absent_far = scan.elsewhere;
    content.scan = scan.name;
    content.region = scan.region;
    content.modality = scan.modality;
  }
  find_levels(scan, contents);
  return contents;
}

}  // namespace medseg
