#include "medseg/pipeline/augment.h"

#include <cmath>

#include "medseg/dataset/sides.h"
#include "medseg/image/intensity.h"
#include "medseg/image/warp.h"
#include "medseg/pipeline/sample.h"

namespace medseg {
namespace {

double between(RandomStream& random, double limit) {
  return limit * (2.0 * random.uniform() - 1.0);
}

bool moves(const Placement& placement) {
  return placement.flip || placement.scale != 1 || placement.degrees != 0 || placement.right != 0 ||
         placement.down != 0;
}

// False where a mask would be lost; one that was empty before may stay so.
bool warp_all(const Affine& source, const std::vector<Mask>& masks, std::vector<Mask>& warped) {
  for (const auto& mask : masks) {
    warped.push_back(warp(mask, source));
    if (mask.area() > 0 && warped.back().area() == 0) return false;
  }
  return true;
}

}  // namespace

void augment(const AugmentOptions& options, const Record& record, RandomStream random,
             Sample& sample) {
  if (!options.is_on()) return;
  Image& image = sample.image;
  const bool chosen = random.uniform() < options.share;
  const bool flip = random.uniform() < options.flip;
  Placement placement;
  placement.degrees = between(random, options.rotate);
  placement.scale = std::pow(1.0 + options.scale, between(random, 1.0));
  placement.right = between(random, options.shift) * image.width;
  placement.down = between(random, options.shift) * image.height;
  Intensity intensity;
  intensity.brightness = between(random, options.brightness);
  intensity.contrast = 1.0 + between(random, options.contrast);
  intensity.gamma = std::pow(1.0 + options.gamma, between(random, 1.0));
  const double deviation = options.noise * random.uniform();
  if (!chosen) return;

  placement.flip = flip && !tells_sides(record);
  if (record.spacing_mm) placement.pixel_aspect = (*record.spacing_mm)[1] / (*record.spacing_mm)[0];
  if (moves(placement)) {
    const auto source = source_of(placement, image.width, image.height);
    std::vector<Mask> warped;
    if (warp_all(source, sample.masks, warped)) {
      image = warp(image, source);
      sample.masks = std::move(warped);
      sample.augmented = true;
    }
  }
  if (intensity.brightness != 0 || intensity.contrast != 1 || intensity.gamma != 1) {
    image = adjust(image, intensity);
    sample.augmented = true;
  }
  if (deviation > 0) {
    image = add_noise(image, deviation, random);
    sample.augmented = true;
  }
}

}  // namespace medseg
