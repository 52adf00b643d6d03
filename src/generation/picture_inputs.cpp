#include "medseg/generation/picture_inputs.h"

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/volume/dicom.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// A DICOM file of one image is shown as its rows are stored, like any other image file.
bool has_slices(const fs::path& path, VolumeFormat format) {
  return format != VolumeFormat::kDicom || read_volume(path).size[2] > 1;
}

/// Without the ending, "scan" for "scan.nii.gz".
std::string bare_name(const fs::path& file) {
  std::string name = file.filename().string();
  for (const char* packed : {".gz", ".GZ"}) {
    if (name.ends_with(packed)) name.resize(name.size() - 3);
  }
  const auto dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

bool is_picture(const fs::path& file) {
  const std::string head = read_file(file).substr(0, 4);
  const auto starts = [&](const char* magic, std::size_t size) {
    return head.compare(0, size, std::string(magic, size)) == 0;
  };
  return starts("\x89PNG", 4) || starts("\xff\xd8\xff", 3) || starts("BM", 2) ||
         starts("II*\0", 4) || starts("MM\0*", 4);
}

bool holds_dicom(const std::vector<fs::path>& files) {
  return std::any_of(files.begin(), files.end(), [](const fs::path& file) {
    return volume_format(file) == VolumeFormat::kDicom;
  });
}

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && !name.starts_with(".")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The voxels beside a header that is asked about itself.
bool is_second_half(const fs::path& file) { return !nifti_header_of(file).empty(); }

void add_folder(const fs::path& folder, std::vector<PictureInput>& inputs) {
  const auto files = files_in(folder);
  if (holds_dicom(files) && !holds_single_images(folder)) {
    inputs.push_back({folder, true, folder.filename().string()});
    return;
  }
  const auto before = inputs.size();
  for (const auto& file : files) {
    if (is_second_half(file)) continue;
    if (const auto format = volume_format(file)) {
      inputs.push_back({file, has_slices(file, *format), bare_name(file)});
    } else if (is_picture(file)) {
      inputs.push_back({file, false, bare_name(file)});
    }
  }
  if (inputs.size() == before)
    throw DataError(folder.string(), "holds no image, no volume and no DICOM series");
}

}  // namespace

std::vector<PictureInput> picture_inputs(const std::vector<fs::path>& named) {
  std::vector<PictureInput> inputs;
  bool folders = false;
  for (const auto& path : named) {
    if (fs::is_directory(path)) {
      const auto before = inputs.size();
      add_folder(path, inputs);
      folders = folders || inputs.size() != before + 1 || inputs.back().file != path;
    } else {
      const auto format = volume_format(path);  // also says that a file is not there
      inputs.push_back({path, format && has_slices(path, *format), bare_name(path)});
    }
  }
  if (inputs.size() == 1 && !folders) {
    inputs[0].name.clear();
    return inputs;
  }
  std::map<std::string, int> uses;
  for (const auto& input : inputs) ++uses[input.name];
  std::map<std::string, fs::path> taken;
  for (auto& input : inputs) {
    if (uses[input.name] > 1) input.name = input.file.filename().string();
    const auto [other, is_new] = taken.emplace(input.name, input.file);
    if (!is_new) {
      throw DataError(input.file.string(), "has the name of " + other->second.string() +
                                               "; ask about them in two calls");
    }
  }
  return inputs;
}

std::string picture_request(const std::string& asker, const std::vector<std::string>& questions,
                            const Image& image) {
  Sha256 sum;
  const auto add = [&](const std::string& text) { sum.add(str_cat(text.size(), ":", text)); };
  add(asker);
  for (const auto& question : questions) add(question);
  add(str_cat(image.width, "x", image.height, "x", image.channels));
  sum.add(std::span(image.pixels));
  return sum.text();
}

bool is_answered(const fs::path& folder, const std::string& request) {
  std::error_code error;
  if (!fs::exists(folder / "answer.json", error)) return false;
  const auto json = nlohmann::json::parse(read_file(folder / "answer.json"), nullptr, false);
  return json.is_object() && json.value("request", "") == request;
}

}  // namespace medseg
