/// \file
/// Masks drawn by hand: a grey picture with rectangles.
#pragma once

#include <string>
#include <vector>

#include "medseg/curation/facts.h"
#include "medseg/curation/pictures.h"
#include "medseg/curation/vocabulary.h"

namespace medseg {

inline Mask rectangle(int width, int height, int x0, int y0, int x1, int y1) {
  Mask mask(width, height);
  for (int y = y0; y < y1; ++y) {
    for (int x = x0; x < x1; ++x)
      mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(width) +
                  static_cast<std::size_t>(x)] = 1;
  }
  return mask;
}

/// 90 x 90, a body of grey 100 with 5 dark columns and rows on every side.
inline Image body() {
  Image image{.width = 90, .height = 90, .channels = 1, .pixels = {}};
  image.pixels.assign(90 * 90, 0);
  for (int y = 5; y < 85; ++y) {
    for (int x = 5; x < 85; ++x) image.pixels[static_cast<std::size_t>(y * 90 + x)] = 100;
  }
  return image;
}

inline NamedMask box(const std::string& id, const std::string& label, int x0, int y0, int x1,
                     int y1) {
  return {id, label, rectangle(90, 90, x0, y0, x1, y1)};
}

inline constexpr View kAxialView{Plane::kAxial, true, false};

inline const Vocabulary& real_vocabulary() {
  static const Vocabulary read =
      read_vocabulary(std::string(MEDSEG_SOURCE_DIR) + "/configs/annotate/vocabulary.json");
  return read;
}

/// A picture of four head structures, two of them a pair that touches the middle one.
inline Picture drawn_picture() {
  Picture picture;
  auto& record = picture.record;
  record.id = "drawn-1";
  record.image = "drawn.png";
  record.modality = "mr";
  record.subject = "someone";
  record.split = "train";
  const std::vector<NamedMask> masks = {
      box("m0", "right thalamus", 20, 40, 40, 55), box("m1", "left thalamus", 50, 40, 70, 55),
      box("m2", "skull", 5, 5, 85, 12), box("m3", "brain", 10, 14, 80, 80)};
  for (const auto& [id, label, mask] : masks) {
    record.masks[id].label = label;
    record.masks[id].rle = encode_rle(mask);
  }
  picture.facts = facts_of(body(), masks, kAxialView, {{0.5, 2.0}});
  picture.absent = {"lungs", "left hippocampus", "pancreas"};
  picture.region = "head";
  return picture;
}

}  // namespace medseg
