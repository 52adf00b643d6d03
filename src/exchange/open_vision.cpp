#include "medseg/exchange/open_vision.h"

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/nn/initialise.h"
#include "medseg/weights/vision_names.h"
#include "vision_geometry.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kDinov2Image =
    224;  // pixels, where no preprocessor_config.json says another

nlohmann::json read_json(const fs::path& path) {
  if (!fs::exists(path)) return nlohmann::json::object();
  try {
    auto json = parse_json(read_file(path), path.string());
    if (!json.is_object()) throw CheckpointError(path.string() + ": no object");
    return json;
  } catch (const CheckpointError&) {
    throw;
  } catch (const Error& error) {
    throw CheckpointError(error.what());
  }
}

TowerConfig tower_config(const fs::path& folder) {
  TowerConfig config{.path = folder / "config.json"};
  auto json = read_json(config.path);
  const auto type = json.value("model_type", nlohmann::json());
  if (json.contains("vision_config") && json["vision_config"].is_object()) {
    config.json = json["vision_config"];
  } else if (type == "clip_vision_model" || type == "siglip_vision_model" || type == "dinov2") {
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
    throw CheckpointError(path.string() + ": " + key + ": expected three numbers, found " +
                          at->dump());
  return at->get<std::vector<double>>();
}

// Published constants: CLIP's own, SigLIP's halves, ImageNet's for DINOv2.
VisionPreprocess published_preprocess(const std::string& tower) {
  VisionPreprocess preprocess;
  if (tower == "clip") {
    preprocess.mean = {0.48145466, 0.4578275, 0.40821073};
    preprocess.deviation = {0.26862954, 0.26130258, 0.27577711};
  } else if (tower == "siglip") {
    preprocess.mode = "square";
    preprocess.mean = preprocess.deviation = {0.5, 0.5, 0.5};
  }
  return preprocess;
}

// {"crop_size": {"height": 518, "width": 518}} or 518; 0 where nothing is said.
std::int64_t crop_size(const fs::path& path, const nlohmann::json& json) {
  const auto at = json.find("crop_size");
  if (at == json.end()) return 0;
  const auto& side = at->is_object() ? at->value("height", nlohmann::json()) : *at;
  if (!side.is_number_integer() || side.get<std::int64_t>() < 1)
    throw CheckpointError(path.string() + ": crop_size: expected pixels, found " + at->dump());
  return side.get<std::int64_t>();
}

}  // namespace

VisionPart open_vision(const fs::path& path) {
  VisionPart part;
  part.file = open_tensor_file(path);
  const auto folder = fs::is_directory(path) ? path : path.parent_path();
  const bool onnx = part.file->format() == "onnx";
  if (onnx) {
    part.options.tower = "dinov2";
    part.sources = onnx_dinov2_sources(*part.file);
  } else {
    auto names = vision_tower_names(*part.file);
    part.options.tower = names.tower;
    part.sources = std::move(names.sources);
  }
  const auto& tower = part.options.tower;
  if (tower.empty()) {
    throw CheckpointError(
        path.string() +
        ": no vision tower known here (CLIP, SigLIP, DINOv2) by its tensors' names");
  }
  const NamedShapes shapes(*part.file, part.sources, /*load_changed=*/onnx);
  const auto config = tower_config(folder);
  const auto preprocess_path = folder / "preprocessor_config.json";
  const auto preprocess = read_json(preprocess_path);
  part.preprocess = published_preprocess(tower);
  part.preprocess.mean = three(preprocess_path, preprocess, "image_mean", part.preprocess.mean);
  part.preprocess.deviation =
      three(preprocess_path, preprocess, "image_std", part.preprocess.deviation);

  const SkipInitialisation skip;
  std::unique_ptr<VisionTower> module;
  try {
    if (tower == "clip") {
      part.options.clip = clip_geometry(shapes, config);
      module = make_clip(part.options.clip);
    } else if (tower == "siglip") {
      part.options.siglip = siglip_geometry(shapes, config);
      module = make_siglip(part.options.siglip);
    } else {
      const auto crop = crop_size(preprocess_path, preprocess);
      part.options.dinov2 = dinov2_geometry(shapes, config, crop > 0 ? crop : kDinov2Image);
      module = make_dinov2(part.options.dinov2);
    }
  } catch (const ConfigError& error) {
    throw CheckpointError(path.string() + ": " + error.what());
  }
  shapes.expect_all_of(*module);
  return part;
}

}  // namespace medseg
