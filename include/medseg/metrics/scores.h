/// \file
/// Scores of generated answers against a manifest's turns. Knows nothing of models: it reads what
/// predictions.jsonl holds.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "medseg/image/image.h"
#include "medseg/metrics/overlap.h"

namespace medseg {

/// One answered turn: what was expected and what came.
struct ScoredTurn {
  std::string modality;
  std::string phrasing;              ///< "seen", "unseen" or ""
  std::vector<std::string> targets;  ///< labels of the reference masks, in order of `[SEG]`
  std::vector<Mask> reference;       ///< one per target
  std::vector<std::string> phrases;  ///< `<p>` texts of the prediction
  std::vector<Mask> predicted;       ///< one per emitted `[SEG]`, at the image's size
  bool asks_absent = false;          ///< the turn asks for an absent structure (no target)
  bool failed = false;               ///< the record could not be asked: all its targets are missed
};

struct GroupScores {
  std::int64_t n = 0;  ///< reference masks
  double giou = 0, ciou = 0, dice = 0;
};

/// Protocol `lisa` on generated answers: the i-th reference mask is scored against the i-th
/// predicted mask; a missing one is an empty mask (counted in `missed`), one too many is counted in
/// `spurious`.
struct Scores {
  std::string protocol = "lisa";
  std::int64_t n = 0;  ///< reference masks
  std::int64_t turns = 0;
  std::int64_t missed = 0;    ///< reference masks without a prediction
  std::int64_t absent = 0;    ///< turns that ask for an absent structure
  std::int64_t spurious = 0;  ///< predicted masks beyond the references
  std::int64_t failed = 0;    ///< turns that could not be asked
  double giou = 0, ciou = 0, dice = 0;
  double dice_over_targets = 0;    ///< mean over targets of their mean Dice
  double seg_count_accuracy = 0;   ///< turns with exactly the expected number of `[SEG]`
  double name_accuracy = 0;        ///< reference masks whose phrase equals the target (case-blind)
  double false_positive_rate = 0;  ///< absent turns with at least one `[SEG]`
  /// Each absent turn is one more mask: the union of what it drew against an empty reference.
  double giou_with_absent = 0, ciou_with_absent = 0;
  std::map<std::string, GroupScores> by_modality, by_target, by_phrasing;
};

class ScoreBoard {
 public:
  void add(const ScoredTurn& turn);
  Scores scores() const;

 private:
  OverlapMean all_;
  std::map<std::string, OverlapMean> by_modality_, by_target_, by_phrasing_;
  std::int64_t turns_ = 0, missed_ = 0, absent_ = 0, spurious_ = 0;
  std::int64_t exact_count_ = 0, named_ = 0, false_positive_ = 0, failed_ = 0;
  std::vector<OverlapCounts> absent_drawn_;
};

}  // namespace medseg
