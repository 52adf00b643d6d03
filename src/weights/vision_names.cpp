#include "medseg/weights/vision_names.h"

#include <array>
#include <string_view>

#include "medseg/base/error.h"

namespace medseg {
namespace {

constexpr std::string_view kClipPatches = "embeddings.patch_embedding.weight";
constexpr std::string_view kDinov2Patches = "embeddings.patch_embeddings.projection.weight";

/// The part before `ending` in the first name that ends so.
std::optional<std::string> before(const TensorFile& file, std::string_view ending) {
  for (const auto& info : file.tensors()) {
    if (info.name.ends_with(ending)) return info.name.substr(0, info.name.size() - ending.size());
  }
  return std::nullopt;
}

bool starts_with_any(std::string_view name, const std::vector<std::string_view>& beginnings) {
  for (const auto beginning : beginnings) {
    if (name.starts_with(beginning)) return true;
  }
  return false;
}

std::string published_dinov2(std::string name) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> spellings = {{
      {".attention.q_proj.", ".attention.attention.query."},
      {".attention.k_proj.", ".attention.attention.key."},
      {".attention.v_proj.", ".attention.attention.value."},
      {".attention.o_proj.", ".attention.output.dense."},
  }};
  for (const auto& [own, published] : spellings) {
    const auto at = name.find(own);
    if (at != std::string::npos) name.replace(at, own.size(), published);
  }
  return name;
}

}  // namespace

TowerNames vision_tower_names(const TensorFile& file) {
  TowerNames names;
  if (const auto prefix = before(file, kClipPatches)) {
    names.tower = file.contains(*prefix + "embeddings.class_embedding") ? "clip" : "siglip";
    for (const auto& info : file.tensors()) {
      if (!info.name.starts_with(*prefix)) continue;
      const auto rest = info.name.substr(prefix->size());
      if (!starts_with_any(rest, {"embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm."}) ||
          rest == "embeddings.position_ids")
        continue;
      names.sources.push_back({"vision_model." + rest, info.name, {}});
    }
  } else if (const auto dinov2 = before(file, kDinov2Patches)) {
    names.tower = "dinov2";
    for (const auto& info : file.tensors()) {
      if (!info.name.starts_with(*dinov2)) continue;
      const auto rest = info.name.substr(dinov2->size());
      if (!starts_with_any(rest, {"embeddings.", "encoder.", "layernorm."}) ||
          rest == "embeddings.mask_token")
        continue;
      names.sources.push_back({published_dinov2(rest), info.name, {}});
    }
  }
  return names;
}

}  // namespace medseg
