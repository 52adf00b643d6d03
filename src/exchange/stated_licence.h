/// \file
/// Terms that a published model's files state.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/bundle/licence.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

/// The file that export_licences writes beside a model's other files, and that is read here first.
inline constexpr const char* kLicencesFile = "licences.json";

/// Of `part`, which came from `path`. A GGUF, opened as `file`, states them in `general.license`; a
/// folder in licences.json, or in the front matter of README.md and in LICENSE. For a single file
/// its folder counts only where that is a model's (it has a config.json). Nothing is guessed: where
/// nothing is stated, nothing is returned. \throws CheckpointError at a damaged licences.json.
std::vector<PartLicence> stated_licences(const std::string& part, const std::filesystem::path& path,
                                         const TensorFile* file = nullptr);

/// licences.json, one LICENSE-PART file for each text, and a README.md whose front matter states
/// the strictest. Nothing where `licences` is empty.
void export_licences(const std::filesystem::path& folder, const std::vector<PartLicence>& licences);

}  // namespace medseg
