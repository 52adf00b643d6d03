#include "medseg/pipeline/augment.h"

#include <cmath>

#include "medseg/dataset/sides.h"
#include "medseg/image/intensity.h"
#include "medseg/image/warp.h"

namespace medseg {
namespace {

double between(RandomStream& random, double limit) {
  return limit * (2.0 * random.uniform() - 1.0);
}

bool moves(const Placement& place) {
  return place.flip || place.scale != 1 || place.degrees != 0 || place.right != 0 ||
         place.down != 0;
}

// Whether no mask was lost; what was empty before may stay so.
bool warp_all(const Affine& source, const std::vector<Mask>& masks, std::vector<Mask>& warped) {
  for (const auto& mask : masks) {
    warped.push_back(warp(mask, source));
    if (mask.area() > 0 && warped.back().area() == 0) return false;
  }
  return true;
}

}  // namespace

bool augment(const AugmentOptions& options, const Record& record, RandomStream random, Image& image,
             std::vector<Mask>& masks) {
  if (!options.is_on()) return false;
  const bool chosen = random.uniform() < options.share;
  const bool flip = random.uniform() < options.flip;
  Placement place;
  place.degrees = between(random, options.rotate);
  place.scale = std::pow(1.0 + options.scale, between(random, 1.0));
  place.right = between(random, options.shift) * image.width;
  place.down = between(random, options.shift) * image.height;
  Intensity intensity;
  intensity.brightness = between(random, options.brightness);
  intensity.contrast = 1.0 + between(random, options.contrast);
  intensity.gamma = std::pow(1.0 + options.gamma, between(random, 1.0));
  const double deviation = options.noise * random.uniform();
  if (!chosen) return false;

  place.flip = flip && !tells_sides(record);
  if (record.spacing_mm) place.pixel_aspect = (*record.spacing_mm)[1] / (*record.spacing_mm)[0];
  bool changed = false;
  if (moves(place)) {
    const auto source = source_of(place, image.width, image.height);
    std::vector<Mask> warped;
    if (warp_all(source, masks, warped)) {
      image = warp(image, source);
      masks = std::move(warped);
      changed = true;
    }
  }
  if (intensity.brightness != 0 || intensity.contrast != 1 || intensity.gamma != 1) {
    image = adjust(image, intensity);
    changed = true;
  }
  if (deviation > 0) {
    image = add_noise(image, deviation, random);
    changed = true;
  }
  return changed;
}

}  // namespace medseg
