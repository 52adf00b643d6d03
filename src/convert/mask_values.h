/// \file
/// Which samples mask files hold, and masks made of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>

#include "medseg/convert/draft.h"
#include "medseg/convert/options.h"

namespace medseg {

/// Samples of an image file that is a mask.
struct MaskValues {
  int width = 0, height = 0;
  std::map<std::int64_t, std::int64_t> pixels;  ///< of each sample
  bool jpeg = false, coloured = false;

  std::int64_t above(std::int64_t value) const;  ///< pixels with a greater sample
  std::int64_t total() const;
};

/// \throws DataError naming the file.
MaskValues mask_values(const std::filesystem::path& path);

/// Adds the masks of one label or mask file to a draft, as ids "m0", "m1", …, with their areas, and
/// the labels to `looked_for`. Without values in `labels` the file is one structure: every sample
/// but 0, above 127 where it is a JPEG or has soft edges. Masks without a pixel are not added.
/// Returns false where the file holds numbered labels but `labels` names none.
bool add_mask_file(Draft& draft, const std::filesystem::path& path,
                   const std::vector<LabelValues>& labels, Reading& reading);

/// The next free mask id of a record.
std::string next_mask_id(const Record& record);

/// Adds a mask in RLE, with its area. Nothing for an empty one.
void add_mask(Draft& draft, const std::string& label, const Mask& mask,
              const std::string& kind = "");

}  // namespace medseg
