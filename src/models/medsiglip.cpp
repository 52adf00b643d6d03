// MedSigLIP (google/medsiglip-448; arXiv 2507.05201): SigLIP's so400m/14 trained on at 448 pixels
// with medical images. All but its size is SigLIP's.
#include "clip_encoder.h"
#include "medseg/models/siglip.h"
#include "medseg/models/vision_tower_row.h"

namespace medseg {
namespace {

constexpr std::int64_t kImageSize = 448;
constexpr PublishedPreprocess kPreprocess = {
    .mode = VisionFit::kSquare, .mean = {0.5, 0.5, 0.5}, .deviation = {0.5, 0.5, 0.5}};

/// A SigLIP with so400m's width and a grid of 32×32: no other published one has both.
std::vector<TensorSource> sources(const TensorFile& file) {
  auto siglip = clip_sources(file, /*class_token=*/false);
  const std::string positions = "vision_model.embeddings.position_embedding.weight";
  const NamedShapes shapes(file, siglip);
  const SiglipOptions so400m;
  const auto grid = kImageSize / so400m.patch;
  if (!shapes.has(positions) ||
      shapes.of(positions, 2) != NamedShapes::Shape{grid * grid, so400m.width})
    return {};
  return siglip;
}

SiglipOptions geometry(const PublishedTower& part) {
  return clip_geometry(part, SiglipOptions{}, /*class_tokens=*/0);
}

constexpr VisionTowerRow row() {
  auto row = vision_tower_row<SiglipOptions, make_siglip, sources, geometry>(
      "medsiglip", "siglip_vision_model", kPreprocess);
  row.options = [] { return AnyOptions(SiglipOptions{.image_size = kImageSize}); };
  return row;
}

}  // namespace

extern constinit const VisionTowerRow kMedSiglipRow = row();

}  // namespace medseg
