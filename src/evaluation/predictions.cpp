#include "medseg/evaluation/predictions.h"

#include <algorithm>
#include <map>
#include <optional>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/dataset/turns.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

Prediction from_json(const Json& json) {
  Prediction prediction;
  json.at("id").get_to(prediction.id);
  json.at("turn").get_to(prediction.turn);
  json.at("question").get_to(prediction.question);
  json.at("text").get_to(prediction.text);
  json.at("phrases").get_to(prediction.phrases);
  for (const auto& mask : json.at("masks")) {
    const auto size = mask.at("rle").at("size").get<std::vector<int>>();
    if (size.size() != 2) throw DataError("rle: size: expected [height, width]");
    PredictedMask& read = prediction.masks.emplace_back();
    read.rle = {size[0], size[1], mask.at("rle").at("counts").get<std::string>()};
    read.seg_probability = mask.value("seg_probability", 0.0);
    read.predicted_iou = mask.value("predicted_iou", 0.0);
    read.score = mask.value("score", 0.0);
    decode_rle(read.rle);  // a bad run is found here, with its line
  }
  prediction.finish = find_choice<Finish>(json.value("finish", ""));
  prediction.new_tokens = json.value("new_tokens", std::int64_t{0});
  prediction.seconds = json.value("seconds", 0.0);
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
  }
  json["finish"] = prediction.finish ? name_of(*prediction.finish) : "";
  json["new_tokens"] = prediction.new_tokens;
  json["seconds"] = prediction.seconds;
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
  for (const auto& mask : prediction.masks) {
    if (mask.rle.width != width || mask.rle.height != height) {
      throw DataError(
          where, str_cat("prediction ", prediction.id, " turn ", prediction.turn, ": mask of ",
                         mask.rle.width, "x", mask.rle.height, ", image of ", width, "x", height));
    }
    turn.predicted.push_back(decode_rle(mask.rle));
  }
}

Scores score_predictions(const std::vector<Prediction>& predictions, const Manifest& manifest,
                         const std::string& split, bool partial) {
  std::map<std::string, const Prediction*> by_turn;
  for (const auto& prediction : predictions) {
    const std::string what = str_cat("prediction ", prediction.id, " turn ", prediction.turn);
    const Record* record = manifest.find(prediction.id);
    const auto answered = record == nullptr ? 0 : answered_turns(*record).size();
    if (prediction.turn < 0 || static_cast<std::size_t>(prediction.turn) >= answered) {
      throw DataError(manifest.path().string(), "no such turn: " + what);
    }
    if (!by_turn
             .emplace(key_of(prediction.id, static_cast<std::size_t>(prediction.turn)), &prediction)
             .second) {
      throw DataError(manifest.path().string(), "predicted twice: " + what);
    }
  }
  const auto records = manifest.split(split);
  if (records.empty())
    throw DataError(manifest.path().string(), "no record in split \"" + split + "\"");
  ScoreBoard board;
  for (const Record* record : records) {
    const auto turns = answered_turns(*record);
    std::optional<Image> image;  // its size; read once a record, and only if anything was predicted
    for (std::size_t i = 0; i < turns.size(); ++i) {
      const auto found = by_turn.find(key_of(record->id, i));
      const std::string where = str_cat(manifest.path().string(), ":", record->line);
      if (found == by_turn.end()) {
        if (partial) continue;
        throw DataError(where, str_cat(record->id, " turn ", i, ": not predicted"));
      }
      if (!image) image = load_image(manifest, *record);
      auto turn = expected_turn(manifest, *record, *turns[i], image->width, image->height);
      add_prediction(turn, *found->second, where, image->width, image->height);
      board.add(turn);
    }
  }
  return board.scores();
}

}  // namespace medseg
