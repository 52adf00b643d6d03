/// \file
/// Masks from image files, read by the file's own samples: the index of a palette, the grey value
/// of 1, 2, 4, 8, 16 or 32 bits as it is stored, or a colour. Nothing is scaled, and no palette is
/// applied.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

/// What of a file is the mask.
struct MaskChoice {
  std::optional<int> value;                  ///< this sample only; else every sample but 0
  std::optional<std::array<int, 3>> colour;  ///< this RGB colour only
  std::optional<int> threshold;              ///< samples above it; for soft masks and JPEG
  std::optional<int> ignore;                 ///< samples that are neither structure nor background
  std::optional<int> page;                   ///< of a TIFF with several, counted from 0
};

/// Samples of a mask file, row by row. A colour is 65536 red + 256 green + blue.
struct MaskSamples {
  int width = 0;
  int height = 0;
  bool coloured = false;  ///< three channels that differ somewhere
  std::vector<std::int64_t> values;
};

/// \throws DataError naming the file: what read_picture refuses; JPEG without `threshold`; several
/// pages without `page`.
MaskSamples read_mask_samples(const std::filesystem::path& path, const MaskChoice& choice = {});

/// \throws DataError on colours without `colour`, naming those that are there.
Mask mask_of(const MaskSamples& samples, const MaskChoice& choice, const std::string& file);
/// The pixels of `choice.ignore`; empty mask without it.
Mask ignored_of(const MaskSamples& samples, const MaskChoice& choice);

/// What is odd about the samples for this choice, as one line each; "" where nothing is.
struct MaskOddities {
  std::string soft;    ///< "61 grey values: 900 pixels are not 0, 760 are above 127"
  std::string ignore;  ///< "130 pixels are 255 beside labels up to 2"
};
MaskOddities oddities_of(const MaskSamples& samples, const MaskChoice& choice);

Mask read_mask(const std::filesystem::path& path, const MaskChoice& choice);

}  // namespace medseg
