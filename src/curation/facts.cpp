#include "medseg/curation/facts.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "medseg/base/error.h"
#include "regions.h"

namespace medseg {
namespace {

constexpr double kOneSided = 0.85;  // of the area beyond the midline
constexpr double kInsideShare = 0.98;

/// Thirds of the picture: "upper left", "left", "centre", "lower middle".
std::string position_of(double x, double y, int width, int height) {
  const int column = std::min(static_cast<int>(3 * x / width), 2);
  const int row = std::min(static_cast<int>(3 * y / height), 2);
  static constexpr const char* names[3][3] = {{"upper left", "upper middle", "upper right"},
                                              {"left", "centre", "right"},
                                              {"lower left", "lower middle", "lower right"}};
  return names[row][column];
}

/// The middle of what is brighter than the background; of the picture where all is dark.
double midline_of(const Image& image) {
  int brightest = 0;
  for (const auto value : image.pixels) brightest = std::max<int>(brightest, value);
  const int above = std::max(brightest / 8, 1);
  int first = image.width, last = -1;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      if (image.at(x, y)[0] <= above) continue;
      first = std::min(first, x);
      last = std::max(last, x);
    }
  }
  return last < 0 ? image.width / 2.0 : (first + last + 1) / 2.0;
}

double share_left_of(const Region& region, const std::vector<std::array<int, 2>>& pixels,
                     double midline) {
  std::int64_t left = 0;
  for (const auto& pixel : pixels) left += pixel[0] + 0.5 < midline ? 1 : 0;
  return static_cast<double>(left) / static_cast<double>(region.area);
}

Side side_of(const Mask& mask, double midline) {
  const Region whole = region_of(mask);
  const double left = share_left_of(whole, pixels_of(mask), midline);
  if (left >= kOneSided) return Side::kLeft;
  if (left <= 1 - kOneSided) return Side::kRight;
  bool left_piece = false, right_piece = false, across = false;
  for (const auto& piece : pieces_of(mask)) {
    if (20 * static_cast<std::int64_t>(piece.size()) < whole.area) continue;
    Region region;
    region.area = static_cast<std::int64_t>(piece.size());
    const double share = share_left_of(region, piece, midline);
    left_piece = left_piece || share >= kOneSided;
    right_piece = right_piece || share <= 1 - kOneSided;
    across = across || (share < kOneSided && share > 1 - kOneSided);
  }
  return left_piece && right_piece && !across ? Side::kBoth : Side::kMiddle;
}

std::vector<std::string> borders_of(const Region& region, int width, int height) {
  std::vector<std::string> borders;
  if (region.box[0] == 0) borders.emplace_back("left");
  if (region.box[1] == 0) borders.emplace_back("top");
  if (region.box[2] == width) borders.emplace_back("right");
  if (region.box[3] == height) borders.emplace_back("bottom");
  return borders;
}

/// The bounds of the lower and the upper third of the picture's own grey values, background left
/// out.
std::optional<std::array<double, 2>> grey_thirds(const Image& image) {
  if (image.channels != 1) return std::nullopt;
  std::vector<std::uint8_t> lit;
  std::copy_if(image.pixels.begin(), image.pixels.end(), std::back_inserter(lit),
               [](std::uint8_t value) { return value > 8; });
  if (lit.size() < 100) return std::nullopt;
  std::sort(lit.begin(), lit.end());
  return {{static_cast<double>(lit[lit.size() / 3]), static_cast<double>(lit[2 * lit.size() / 3])}};
}

std::string brightness_of(const Image& image, const std::vector<std::array<int, 2>>& pixels,
                          const std::optional<std::array<double, 2>>& thirds) {
  if (!thirds || pixels.empty()) return "";
  double sum = 0;
  for (const auto& [x, y] : pixels) sum += image.at(x, y)[0];
  const double mean = sum / static_cast<double>(pixels.size());
  if (mean < (*thirds)[0]) return "dark";
  return mean > (*thirds)[1] ? "bright" : "grey";
}

std::string direction_between(const Region& from, const Region& to) {
  const double dx = to.centre[0] - from.centre[0], dy = to.centre[1] - from.centre[1];
  if (std::abs(dx) < 1 && std::abs(dy) < 1) return "";
  if (std::abs(dx) > std::abs(dy)) return dx < 0 ? "left of" : "right of";
  return dy < 0 ? "above" : "below";
}

std::optional<Relation> relation_between(const Mask& a, const Region& ra, const Mask& b,
                                         const Region& rb) {
  if (ra.box[0] > rb.box[2] || rb.box[0] > ra.box[2] || ra.box[1] > rb.box[3] ||
      rb.box[1] > ra.box[3])
    return std::nullopt;
  const auto common = static_cast<double>(overlap_of(a, ra, b, rb));
  if (common >= kInsideShare * static_cast<double>(ra.area)) return Relation::kInside;
  if (common >= kInsideShare * static_cast<double>(rb.area)) return Relation::kContains;
  if (common >= 0.05 * static_cast<double>(std::min(ra.area, rb.area))) return Relation::kOverlaps;
  return common > 0 || touch(a, ra, b) ? std::optional(Relation::kTouches) : std::nullopt;
}

void add_neighbours(PictureFacts& facts, const std::vector<const Mask*>& masks) {
  std::vector<Region> regions;
  for (const auto* mask : masks) regions.push_back(region_of(*mask));
  for (std::size_t a = 0; a < masks.size(); ++a) {
    for (std::size_t b = 0; b < masks.size(); ++b) {
      if (a == b) continue;
      const auto relation = relation_between(*masks[a], regions[a], *masks[b], regions[b]);
      if (!relation) continue;
      facts.masks[a].neighbours.push_back(
          {facts.masks[b].id, *relation, direction_between(regions[a], regions[b])});
    }
  }
}

double rounded(double value, double step) { return std::round(value / step) * step; }

double share_percent(double share) {
  return share >= 0.1 ? rounded(100 * share, 1) : rounded(100 * share, 0.1);
}

}  // namespace

Side mirrored(Side side) {
  if (side == Side::kLeft) return Side::kRight;
  return side == Side::kRight ? Side::kLeft : side;
}

const MaskFacts* PictureFacts::find(const std::string& id) const {
  for (const auto& mask : masks) {
    if (mask.id == id) return &mask;
  }
  return nullptr;
}

PictureFacts facts_of(const Image& image, const std::vector<NamedMask>& masks, const View& view,
                      const std::optional<std::array<double, 2>>& spacing_mm) {
  PictureFacts facts;
  facts.width = image.width;
  facts.height = image.height;
  facts.view = view;
  facts.spacing_mm = spacing_mm;
  facts.midline_px = midline_of(image);
  const auto thirds = grey_thirds(image);
  std::vector<const Mask*> kept;
  for (const auto& [id, label, mask] : masks) {
    MEDSEG_CHECK(mask.width == image.width && mask.height == image.height, "mask of another size");
    const Region region = region_of(mask);
    if (region.area == 0) {
      facts.empty.push_back(label);
      continue;
    }
    MaskFacts one;
    one.id = id;
    one.label = label;
    one.area_px = region.area;
    one.box = region.box;
    one.centre = region.centre;
    one.share = static_cast<double>(region.area) /
                (static_cast<double>(image.width) * static_cast<double>(image.height));
    if (spacing_mm) {
      const auto [dx, dy] = *spacing_mm;
      one.area_mm2 = static_cast<double>(region.area) * dx * dy;
      one.extent_mm = {
          {(region.box[2] - region.box[0]) * dx, (region.box[3] - region.box[1]) * dy}};
    }
    one.position = position_of(region.centre[0], region.centre[1], image.width, image.height);
    one.side_in_image = side_of(mask, facts.midline_px);
    if (view.patient_sides) one.side_of_patient = mirrored(one.side_in_image);
    one.borders = borders_of(region, image.width, image.height);
    one.pieces = static_cast<int>(pieces_of(mask).size());
    one.brightness = brightness_of(image, pixels_of(mask), thirds);
    facts.masks.push_back(std::move(one));
    kept.push_back(&mask);
  }
  add_neighbours(facts, kept);
  return facts;
}

nlohmann::ordered_json facts_json(const PictureFacts& facts) {
  nlohmann::ordered_json out = {{"width_px", facts.width},
                                {"height_px", facts.height},
                                {"plane", name_of(facts.view.plane)},
                                {"sides_assumed", facts.view.assumed}};
  auto list = nlohmann::ordered_json::array();
  for (const auto& mask : facts.masks) {
    nlohmann::ordered_json one = {{"id", mask.id},
                                  {"label", mask.label},
                                  {"position_in_picture", mask.position},
                                  {"side_of_picture", name_of(mask.side_in_image)},
                                  {"side_of_patient", name_of(mask.side_of_patient)},
                                  {"percent_of_picture", share_percent(mask.share)},
                                  {"pieces", mask.pieces},
                                  {"brightness", mask.brightness},
                                  {"touches_picture_border", mask.borders}};
    if (mask.area_mm2) one["area_mm2"] = rounded(*mask.area_mm2, 1);
    if (mask.extent_mm) {
      one["width_mm"] = rounded((*mask.extent_mm)[0], 1);
      one["height_mm"] = rounded((*mask.extent_mm)[1], 1);
    }
    if (mask.size != SizeInSet::kUnknown) one["size_in_set"] = name_of(mask.size);
    auto neighbours = nlohmann::ordered_json::array();
    for (const auto& [id, relation, direction] : mask.neighbours)
      neighbours.push_back({{"id", id}, {"relation", name_of(relation)}, {"direction", direction}});
    one["neighbours"] = std::move(neighbours);
    list.push_back(std::move(one));
  }
  out["masks"] = std::move(list);
  return out;
}

std::vector<double> numbers_of(const MaskFacts& facts) {
  std::vector<double> numbers = {share_percent(facts.share), static_cast<double>(facts.pieces),
                                 static_cast<double>(facts.area_px)};
  if (facts.area_mm2) {
    numbers.push_back(rounded(*facts.area_mm2, 1));
    numbers.push_back(rounded(*facts.area_mm2 / 100, 0.1));  // cm²
  }
  if (facts.extent_mm) {
    for (const double extent : *facts.extent_mm) {
      numbers.push_back(rounded(extent, 1));
      numbers.push_back(rounded(extent / 10, 0.1));  // cm
    }
  }
  return numbers;
}

}  // namespace medseg
