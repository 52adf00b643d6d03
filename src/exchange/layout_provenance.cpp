#include <algorithm>

#include "layout_assembly.h"
#include "medseg/base/clock.h"
#include "medseg/base/hash.h"
#include "stated_licence.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

// Configurations and tokenizers; of weights those that were read, for repositories hold others too.
bool is_text(const fs::path& path) {
  return (path.extension() == ".json" && !path.string().ends_with(".index.json")) ||
         path.extension() == ".model";
}

}  // namespace

nlohmann::json provenance_of(const LayoutRequest& request, const Assembly& assembly) {
  auto files = nlohmann::json::array();
  for (const auto& root : {request.source, request.vision, request.grounding, request.adapter}) {
    std::vector<fs::path> found;
    if (fs::is_regular_file(root)) found.push_back(root);
    if (fs::is_directory(root)) {
      for (const auto& entry : fs::directory_iterator(root)) {
        const auto& path = entry.path();
        if (!entry.is_regular_file()) continue;
        if (is_text(path) || assembly.weight_files.contains(path)) found.push_back(path);
      }
    }
    std::sort(found.begin(), found.end());
    for (const auto& path : found)
      files.push_back({{"name", path.filename().string()}, {"sha256", sha256_of_file(path)}});
  }
  return {{"command", request.command},
          {"made", utc_now()},
          {"layout", assembly.config.layout},
          {"vision_tower", assembly.config.tower},
          {"files", files}};
}

std::vector<PartLicence> licences_of(const LayoutRequest& request, const Assembly& assembly) {
  std::vector<PartLicence> licences;
  const auto add = [&](const char* part, const fs::path& path) {
    if (path.empty()) return;
    for (auto& licence : stated_licences(part, path)) licences.push_back(std::move(licence));
  };
  add("model", request.source);
  if (!assembly.tower_is_inside) add("vision", request.vision);
  add("grounding", request.grounding);
  add("adapter", request.adapter);
  return licences;
}

}  // namespace medseg
