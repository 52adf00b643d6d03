/// \file
/// From places of single frames to the grid of a volume.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace medseg {

/// One frame as DICOM places it: LPS, millimetres (PS3.3 C.7.6.2).
struct PlacedFrame {
  std::array<double, 3> position{};     ///< of the centre of its first pixel
  std::array<double, 6> orientation{};  ///< along a row (columns count up), then down a column
  double row_mm = 1, column_mm = 1;     ///< between rows, between columns
  std::int64_t order = 0;               ///< among frames of one place
  double thickness_mm = 1;              ///< used where there is one slice
};

struct FrameStack {
  std::array<std::array<double, 4>, 3> affine{};  ///< RAS, as Volume's
  std::vector<std::size_t> frames;                ///< of each slice, which of the given frames
  std::vector<std::string> notes;
};

/// Frames sorted along their normal. Where every place has n frames they are n volumes, of which
/// `index` chooses one. \throws DataError naming different orientations or spacings, missing slices
/// and unequal distances.
FrameStack stack_frames(const std::vector<PlacedFrame>& frames, std::optional<std::int64_t> index,
                        const std::string& where);

}  // namespace medseg
