#include "medseg/exchange/open_vision.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/models/published_tower.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/initialise.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

nlohmann::json read_json(const fs::path& path) {
  if (!fs::exists(path)) return nlohmann::json::object();
  auto json =
      raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
  if (!json.is_object()) throw CheckpointError(path.string(), "no object");
  return json;
}

// Whether a config.json is of a tower alone.
bool describes_tower(const nlohmann::json& type) {
  const auto& towers = VisionTowerRow::table();
  return std::any_of(towers.begin(), towers.end(),
                     [&](const auto* row) { return type == row->model_type; });
}

PublishedConfig tower_config(const fs::path& folder) {
  PublishedConfig config{.path = folder / "config.json"};
  auto json = read_json(config.path);
  const auto type = json.value("model_type", nlohmann::json());
  if (json.contains("vision_config") && json["vision_config"].is_object()) {
    config.json = json["vision_config"];
  } else if (describes_tower(type)) {
    config.json = std::move(json);
  }
  return config;
}

std::vector<double> three(const fs::path& path, const nlohmann::json& json, const char* key,
                          const std::vector<double>& otherwise) {
  const auto at = json.find(key);
  if (at == json.end()) return otherwise;
  bool good = at->is_array() && at->size() == 3;
  for (std::size_t i = 0; good && i < 3; ++i) good = (*at)[i].is_number();
  if (!good)
    throw CheckpointError(path.string(),
                          str_cat(key, ": expected three numbers, found ", at->dump()));
  return at->get<std::vector<double>>();
}

VisionPreprocess preprocess_of(const PublishedPreprocess& published) {
  return {.mode = published.mode,
          .mean = {published.mean.begin(), published.mean.end()},
          .deviation = {published.deviation.begin(), published.deviation.end()}};
}

// {"crop_size": {"height": 518, "width": 518}} or 518; 0 where nothing is said.
std::int64_t crop_size(const fs::path& path, const nlohmann::json& json) {
  const auto at = json.find("crop_size");
  if (at == json.end()) return 0;
  const auto& side = at->is_object() ? at->value("height", nlohmann::json()) : *at;
  if (!side.is_number_integer() || side.get<std::int64_t>() < 1)
    throw CheckpointError(path.string(), "crop_size: expected pixels, found " + at->dump());
  return side.get<std::int64_t>();
}

}  // namespace

VisionPart open_vision(const fs::path& path, const fs::path& described_by) {
  VisionPart part;
  part.file = open_tensor_file(path);
  const auto& towers = VisionTowerRow::table();
  const auto found = std::find_if(towers.rbegin(), towers.rend(), [&](const auto* row) {
    part.sources = row->sources(*part.file);
    return !part.sources.empty();
  });
  if (found == towers.rend()) {
    throw CheckpointError(
        path.string(), "no vision tower known here (CLIP, SigLIP, DINOv2) by its tensors' names");
  }
  const auto& row = **found;
  const NamedShapes shapes(*part.file, part.sources, /*load_changed=*/true);
  const auto own = fs::is_directory(path) ? path : path.parent_path();
  const auto& folder = described_by.empty() ? own : described_by;
  const auto config = tower_config(folder);
  const auto preprocess_path = folder / "preprocessor_config.json";
  const auto preprocess = read_json(preprocess_path);
  part.preprocess = preprocess_of(row.preprocess);
  part.preprocess.mean = three(preprocess_path, preprocess, "image_mean", part.preprocess.mean);
  part.preprocess.deviation =
      three(preprocess_path, preprocess, "image_std", part.preprocess.deviation);

  const SkipInitialisation skip;
  const auto crop = crop_size(preprocess_path, preprocess);
  part.options.tower.choose(row, row.geometry({shapes, config, crop}));
  const auto tower = raised_as<CheckpointError>(
      path.string(), [&] { return row.make(part.options.tower.options()); });
  shapes.expect_all_of(*tower);
  return part;
}

}  // namespace medseg
