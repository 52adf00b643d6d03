/// \file
/// What a manifest holds that a training config should follow: sizes, lengths, balance.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"
#include "medseg/text/tokenizer.h"

namespace medseg {

/// Least, middle and greatest of something, and the value that 99 of 100 do not exceed.
struct Spread {
  double least = 0, median = 0, most_of_all = 0, greatest = 0;
};

struct Fingerprint {
  std::map<std::string, std::int64_t> records_by_split, subjects_by_split;
  std::int64_t pictures = 0;     ///< of the training split, as all below
  std::int64_t images_read = 0;  ///< for sizes and areas: so many of them
  Spread width, height, mask_share;
  std::map<std::string, std::int64_t> records_by_modality, records_by_window;
  std::int64_t assumed_windows = 0;        ///< of the images that were read
  bool in_tokens = false;                  ///< lengths; else in words
  Spread length;                           ///< of a record's turns
  std::int64_t turns = 0, most_turns = 0;  ///< in all, of one record
  std::int64_t absent_turns = 0, masks = 0, most_masks = 0;
  std::map<std::string, std::int64_t> records_by_target;
};

/// Reads all lines and at most `most_images` images, spread over the training split.
/// \throws DataError, also where there is no record of the split "train".
Fingerprint fingerprint(const Manifest& manifest, const Tokenizer* tokenizer = nullptr,
                        std::int64_t most_images = 200);

}  // namespace medseg
