/// \file
/// The saved answers of a split beside their references, as every scoring protocol reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "medseg/metrics/overlap.h"
#include "medseg/metrics/packed_mask.h"
#include "medseg/metrics/surface.h"

namespace medseg {

/// Which plane of a volume an image is.
struct PlanePosition {
  int axis = 2;
  std::int64_t index = 0;
};

/// One answered turn. Masks are at the image's own size; ignored pixels are cleared on both sides.
struct ReplayTurn {
  std::string id;  ///< of the record
  int turn = 0;
  std::string image, subject, modality, phrasing;
  std::optional<PlanePosition> plane;
  /// Between slices (1 for an image), rows and columns; mm.
  std::optional<GridSpacing> spacing;
  std::int64_t height = 0, width = 0;

  std::vector<std::string> targets;  ///< labels of the references, in order of `[SEG]`
  std::vector<PackedMask> reference;
  PackedMask ignored;        ///< cleared from all masks; of no size where nothing is
  bool asks_absent = false;  ///< asks for a structure that is not there
  std::string answer;        ///< of the manifest

  bool failed = false;  ///< the record could not be asked; there is no prediction
  std::vector<std::string> phrases;
  std::vector<PackedMask> predicted;
  std::vector<double> scores;  ///< of each mask
  /// Pixels of probability above 0.1, one a mask; empty without probability maps.
  std::vector<PackedMask> probable;
  std::string text;

  GridSize size() const { return {1, height, width}; }
  GridSpacing spacing_or_1() const { return spacing.value_or(GridSpacing{1, 1, 1}); }
  const std::string& group() const { return subject.empty() ? id : subject; }
};

/// A reference and the mask of the same position in the answer.
struct ReplayItem {
  std::size_t turn = 0, index = 0;  ///< of `Replay::turns`, of its references
  bool missing = false;             ///< fewer masks than references: an empty mask instead
  OverlapCounts counts;
};

class Replay {
 public:
  /// \pre every mask has its turn's size.
  explicit Replay(std::vector<ReplayTurn> turns, double tolerance_mm = 2);

  const std::vector<ReplayTurn>& turns() const { return turns_; }
  const std::vector<ReplayItem>& items() const { return items_; }
  const ReplayTurn& turn_of(const ReplayItem& item) const { return turns_[item.turn]; }
  const std::string& target_of(const ReplayItem& item) const {
    return turn_of(item).targets[item.index];
  }
  double tolerance_mm() const { return tolerance_mm_; }
  /// Of each item; computed when first asked for.
  const std::vector<SurfaceScores>& surfaces() const;

 private:
  std::vector<ReplayTurn> turns_;
  std::vector<ReplayItem> items_;
  double tolerance_mm_;
  mutable std::vector<SurfaceScores> surfaces_;
};

/// A structure of a case with what was drawn for it.
struct CaseLabel {
  std::string label;
  PackedMask predicted, reference;
};

/// All turns of one image, or of the planes of one volume along one axis, put together.
struct ReplayCase {
  std::string image;
  Dimensions dimensions = Dimensions::kImage;
  GridSize size{};
  GridSpacing spacing{};
  std::vector<CaseLabel> labels;  ///< those with a reference or a mask, sorted; others are empty
  PackedMask ignored;             ///< of all its turns; of no size where nothing is

  /// Those that count.
  std::int64_t cells() const { return size[0] * size[1] * size[2] - ignored.area(); }
};

struct ReplayCases {
  std::vector<ReplayCase> cases;
  std::vector<std::string> labels;  ///< of the split, sorted
  std::int64_t unattributed = 0;    ///< masks beyond the references whose phrase is no label
};

/// Planes stand at steps of the greatest common divisor of their distances; planes nobody asked
/// about are empty. A mask belongs to the label of the reference at its position, else to the label
/// that its phrase names. What one turn ignores, no turn of the case draws. \throws DataError on
/// planes of two sizes.
ReplayCases put_together(const Replay& replay);

/// Equal after trimming and ASCII lower case.
bool same_name(const std::string& a, const std::string& b);

}  // namespace medseg
