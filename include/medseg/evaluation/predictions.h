/// \file
/// predictions.jsonl: one line per answered turn; scores never need the model again.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"
#include "medseg/generation/finish.h"
#include "medseg/image/rle.h"
#include "medseg/metrics/scores.h"

namespace medseg {

struct PredictedMask {
  Rle rle;
  double seg_probability = 0, predicted_iou = 0;
  double score = 0;  ///< seg_probability · predicted_iou clamped to [0,1]
  /// Path of the probability map beside predictions.jsonl (8-bit grey); "" where none was kept.
  std::string probability{};
};

struct Prediction {
  std::string id;
  int turn = 0;  ///< counts the answers of a record from 0
  std::string question, text;
  std::vector<std::string> phrases;
  std::vector<PredictedMask> masks;
  std::optional<Finish> finish;  ///< none where another program wrote none that we know
  std::int64_t new_tokens = 0;
  double seconds = 0;
  bool failed = false;  ///< the record could not be asked: key "failed"
};

std::string to_json_line(const Prediction& prediction);
/// Reverses to_json_line. Only `id`, `turn` and `masks` must be there, and of a mask its `rle`,
/// whose counts are a text or a list of run lengths. \throws DataError.
Prediction from_json_line(const std::string& line);
/// \throws DataError "file:line: what".
std::vector<Prediction> read_predictions(const std::filesystem::path& path);

/// What a turn's answer must be: targets, reference masks, and whether it asks for what is absent
/// (no `[SEG]`, in a record that lists absent structures). `predicted` is left empty.
ScoredTurn expected_turn(const Manifest& manifest, const Record& record, const RecordTurn& turn,
                         int width, int height);
/// The same for a turn that could not be asked: all its targets are missed. A reference mask that
/// cannot be read either is one pixel in its stead.
ScoredTurn failed_turn(const Manifest& manifest, const Record& record, const RecordTurn& turn);
/// Fills `predicted` and `phrases`. \throws DataError on a mask of another size than the image's.
void add_prediction(ScoredTurn& turn, const Prediction& prediction, const std::string& where,
                    int width, int height);

/// One turn of a split and what was predicted for it.
struct JoinedTurn {
  const Record* record = nullptr;
  const RecordTurn* turn = nullptr;
  int index = 0;  ///< counts the answers of the record from 0
  const Prediction* prediction = nullptr;
};

/// Every answered turn of the split in the manifest's order. \throws DataError as
/// score_predictions.
std::vector<JoinedTurn> join_predictions(const std::vector<Prediction>& predictions,
                                         const Manifest& manifest, const std::string& split,
                                         bool partial = false);

/// Joins predictions with the references of the manifest. \throws DataError on an id or turn the
/// manifest lacks, a turn predicted twice, or, unless `partial`, a turn of `split` that was not
/// predicted.
Scores score_predictions(const std::vector<Prediction>& predictions, const Manifest& manifest,
                         const std::string& split, bool partial = false);

}  // namespace medseg
