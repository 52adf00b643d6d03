#include "medseg/evaluation/predictions.h"

#include <algorithm>
#include <limits>
#include <map>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/turns.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kLargestSide = 1 << 20;

// COCO's uncompressed form: runs of 0 and 1 in turn, columns first.
std::string packed_counts(const Json& runs, int height, int width) {
  Mask mask(width, height);
  std::size_t at = 0;
  bool set = false;
  for (const auto& run : runs) {
    if (!run.is_number_unsigned())
      throw DataError("rle.counts", "expected run lengths, found " + run.dump());
    const auto length = run.get<std::uint64_t>();
    if (length > mask.pixels.size() - at)
      throw DataError("rle.counts", "the runs exceed height * width");
    for (std::uint64_t i = 0; i < length; ++i, ++at) {
      const auto x = at / static_cast<std::size_t>(height),
                 y = at % static_cast<std::size_t>(height);
      mask.pixels[y * static_cast<std::size_t>(width) + x] = set ? 1 : 0;
    }
    set = !set;
  }
  if (at != mask.pixels.size())
    throw DataError("rle.counts", "the runs fall short of height * width");
  return encode_rle(mask).counts;
}

Rle rle_from_json(const Json& json) {
  const auto side = [](const Json& value) {
    return value.is_number_unsigned() && value.get<std::uint64_t>() > 0 &&
           value.get<std::uint64_t>() <= kLargestSide;
  };
  const Json& size = json.at("size");
  if (!size.is_array() || size.size() != 2 || !side(size[0]) || !side(size[1]))
    throw DataError("rle.size", "expected [height, width], found " + size.dump());
  Rle rle{size[0].get<int>(), size[1].get<int>(), ""};
  const Json& counts = json.at("counts");
  rle.counts =
      counts.is_array() ? packed_counts(counts, rle.height, rle.width) : counts.get<std::string>();
  decode_rle(rle);  // a bad run is found here, with its line
  return rle;
}

int turn_from_json(const Json& json) {
  if (!json.is_number_integer() || json < 0 || json > std::numeric_limits<int>::max())
    throw DataError("turn", "expected a whole number from 0, found " + json.dump());
  return json.get<int>();
}

Prediction from_json(const Json& json) {
  Prediction prediction;
  json.at("id").get_to(prediction.id);
  prediction.turn = turn_from_json(json.at("turn"));
  prediction.question = json.value("question", "");
  prediction.text = json.value("text", "");
  prediction.phrases = json.value("phrases", std::vector<std::string>());
  for (const auto& mask : json.at("masks")) {
    PredictedMask& read = prediction.masks.emplace_back();
    read.rle = rle_from_json(mask.at("rle"));
    read.seg_probability = mask.value("seg_probability", 0.0);
    read.predicted_iou = mask.value("predicted_iou", 0.0);
    read.score = mask.value("score", 0.0);
    read.probability = mask.value("probability", "");
  }
  prediction.finish = find_choice<Finish>(json.value("finish", ""));
  prediction.new_tokens = json.value("new_tokens", std::int64_t{0});
  prediction.seconds = json.value("seconds", 0.0);
  prediction.failed = json.value("failed", false);
  return prediction;
}

std::string key_of(const std::string& id, std::size_t turn) { return str_cat(id, "\n", turn); }

}  // namespace

std::string to_json_line(const Prediction& prediction) {
  Json json;
  json["id"] = prediction.id;
  json["turn"] = prediction.turn;
  json["question"] = prediction.question;
  json["text"] = prediction.text;
  json["phrases"] = prediction.phrases;
  json["masks"] = Json::array();
  for (const auto& mask : prediction.masks) {
    json["masks"].push_back(
        {{"rle", {{"size", {mask.rle.height, mask.rle.width}}, {"counts", mask.rle.counts}}},
         {"seg_probability", mask.seg_probability},
         {"predicted_iou", mask.predicted_iou},
         {"score", mask.score}});
    if (!mask.probability.empty()) json["masks"].back()["probability"] = mask.probability;
  }
  json["finish"] = prediction.finish ? name_of(*prediction.finish) : "";
  json["new_tokens"] = prediction.new_tokens;
  json["seconds"] = prediction.seconds;
  if (prediction.failed) json["failed"] = true;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Prediction from_json_line(const std::string& line) {
  try {
    return from_json(Json::parse(line));
  } catch (const nlohmann::json::parse_error& error) {
    throw DataError(str_cat("not JSON near byte ", error.byte));
  } catch (const nlohmann::json::exception& error) {
    throw DataError(std::string("not a prediction: ") + error.what());
  }
}

std::vector<Prediction> read_predictions(const std::filesystem::path& path) {
  std::vector<Prediction> predictions;
  int line = 0;
  for (const auto& text : split(read_file(path), '\n')) {
    ++line;
    if (trim(text).empty()) continue;
    predictions.push_back(
        with_place(str_cat(path.string(), ":", line), [&] { return from_json_line(text); }));
  }
  return predictions;
}

ScoredTurn expected_turn(const Manifest& manifest, const Record& record, const RecordTurn& turn,
                         int width, int height) {
  ScoredTurn scored;
  scored.modality = record.modality;
  scored.phrasing = record.phrasing;
  scored.targets = targets_of(record, turn);
  for (const auto& ids : turn.masks)
    scored.reference.push_back(load_mask(manifest, record, ids, width, height));
  scored.asks_absent = turn.masks.empty() && !record.absent.empty();
  return scored;
}

void add_prediction(ScoredTurn& turn, const Prediction& prediction, const std::string& where,
                    int width, int height) {
  turn.phrases = prediction.phrases;
  turn.failed = prediction.failed;
  for (const auto& mask : prediction.masks) {
    if (mask.rle.width != width || mask.rle.height != height) {
      throw DataError(
          where, str_cat("prediction ", prediction.id, " turn ", prediction.turn, ": mask of ",
                         mask.rle.width, "x", mask.rle.height, ", image of ", width, "x", height));
    }
    turn.predicted.push_back(decode_rle(mask.rle));
  }
}

std::vector<JoinedTurn> join_predictions(const std::vector<Prediction>& predictions,
                                         const Manifest& manifest, const std::string& split,
                                         bool partial) {
  const std::string file = manifest.path().string();
  std::map<std::string, const Prediction*> by_turn;
  for (const auto& prediction : predictions) {
    const std::string what = str_cat("prediction ", prediction.id, " turn ", prediction.turn);
    const Record* record = manifest.find(prediction.id);
    const auto answered = record == nullptr ? 0 : answered_turns(*record).size();
    if (prediction.turn < 0 || static_cast<std::size_t>(prediction.turn) >= answered)
      throw DataError(file, "no such turn: " + what);
    const auto key = key_of(prediction.id, static_cast<std::size_t>(prediction.turn));
    if (!by_turn.emplace(key, &prediction).second)
      throw DataError(file, "predicted twice: " + what);
  }
  const auto records = manifest.split(split);
  if (records.empty()) throw DataError(file, "no record in split \"" + split + "\"");
  std::vector<JoinedTurn> joined;
  for (const Record* record : records) {
    const auto turns = answered_turns(*record);
    for (std::size_t i = 0; i < turns.size(); ++i) {
      const auto found = by_turn.find(key_of(record->id, i));
      if (found != by_turn.end()) {
        joined.push_back({record, turns[i], static_cast<int>(i), found->second});
      } else if (!partial) {
        throw DataError(str_cat(file, ":", record->line),
                        str_cat(record->id, " turn ", i, ": not predicted"));
      }
    }
  }
  return joined;
}

ScoredTurn failed_turn(const Manifest& manifest, const Record& record, const RecordTurn& turn) {
  ScoredTurn scored;
  try {
    const Image image = load_image(manifest, record);
    scored = expected_turn(manifest, record, turn, image.width, image.height);
  } catch (const DataError&) {  // the reason why it failed, as a rule
    scored.modality = record.modality;
    scored.phrasing = record.phrasing;
    scored.targets = targets_of(record, turn);
    Mask one(1, 1);
    one.pixels[0] = 1;
    scored.reference.assign(scored.targets.size(), one);
    scored.asks_absent = turn.masks.empty() && !record.absent.empty();
  }
  scored.failed = true;
  return scored;
}

Scores score_predictions(const std::vector<Prediction>& predictions, const Manifest& manifest,
                         const std::string& split, bool partial) {
  ScoreBoard board;
  const Record* record = nullptr;
  Image image;  // its size; read once a record, and only if anything was predicted
  for (const auto& joined : join_predictions(predictions, manifest, split, partial)) {
    if (joined.prediction->failed) {
      board.add(failed_turn(manifest, *joined.record, *joined.turn));
      continue;
    }
    if (joined.record != record) image = load_image(manifest, *joined.record);
    record = joined.record;
    const std::string where = str_cat(manifest.path().string(), ":", record->line);
    auto turn = expected_turn(manifest, *record, *joined.turn, image.width, image.height);
    add_prediction(turn, *joined.prediction, where, image.width, image.height);
    board.add(turn);
  }
  return board.scores();
}

}  // namespace medseg
