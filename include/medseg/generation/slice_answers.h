/// \file
/// Answers about the slices of one volume: kept on disk while they come, and put together to one
/// mask a phrase. Nothing here knows a model.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "medseg/image/rle.h"
#include "medseg/volume/morphology.h"

namespace medseg {

struct SliceMask {
  std::string phrase;
  Rle rle;  ///< in the slice's view (volume.h, axial_slice)
  double seg_probability = 0;
  double predicted_iou = 0;
  double score = 0;
};

/// The answer to one question about one slice.
struct SliceTurn {
  std::string text;
  std::vector<std::string> phrases;
  std::string finish;
  std::int64_t new_tokens = 0;
  double seconds = 0;
  std::vector<SliceMask> masks;
};

using SliceAnswers = std::vector<SliceTurn>;  ///< of one slice, one a question

/// The file of answered slices: its first line says what was asked, each further line is a slice. A
/// line that a stopped process left half written is dropped.
class SliceJournal {
 public:
  /// Reads the slices that are answered already. A journal of another `request` is begun anew:
  /// `replaced` says so. \throws DataError if it cannot be read or written.
  SliceJournal(std::filesystem::path file, const std::string& request);

  bool replaced() const { return replaced_; }
  const std::map<std::int64_t, SliceAnswers>& slices() const { return slices_; }
  void add(std::int64_t slice, SliceAnswers answers);

 private:
  std::filesystem::path file_;
  std::map<std::int64_t, SliceAnswers> slices_;
  bool replaced_ = false;
};

/// One phrase of a turn through all slices.
struct PhraseMask {
  std::string phrase;                ///< as it was said first; "" for masks without one
  VoxelMask voxels;                  ///< in the turned volume's order
  std::vector<std::int64_t> slices;  ///< in which the phrase got a mask, empty masks included
  double seg_probability = 0, predicted_iou = 0, score = 0;  ///< means over those masks
};

/// The masks of turn `turn` by phrase, in the order in which the slices first say them. Phrases are
/// one if they differ in case and white space only. \throws DataError on a mask of another size
/// than its slice.
std::vector<PhraseMask> phrase_masks(const std::map<std::int64_t, SliceAnswers>& slices,
                                     std::size_t turn, const std::array<std::int64_t, 3>& size,
                                     int axis);

}  // namespace medseg
