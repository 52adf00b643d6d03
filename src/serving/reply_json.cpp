#include "reply_json.h"

#include <ctime>

#include <nlohmann/json.hpp>

#include "medseg/image/rle.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

Json mask_json(const GeneratedMask& mask) {
  const Rle rle = encode_rle(mask.mask);
  Json json = {{"phrase", mask.phrase},
               {"rle", {{"size", {rle.height, rle.width}}, {"counts", rle.counts}}},
               {"seg_probability", mask.seg_probability},
               {"predicted_iou", mask.predicted_iou},
               {"score", mask.score()},
               {"area_pixels", mask.mask.area()}};
  if (mask.below_threshold) json["below_threshold"] = true;
  return json;
}

void add_shown(const RecordImage& shown, Json& json) {
  if (shown.window) json["window"] = window_text(*shown.window);
  if (shown.spacing_mm) json["spacing_mm"] = *shown.spacing_mm;
}

Json usage_json(const Answer& answer) {
  const auto prompt = answer.prompt_tokens, made = static_cast<std::int64_t>(answer.ids.size());
  return {{"prompt_tokens", prompt}, {"completion_tokens", made}, {"total_tokens", prompt + made}};
}

}  // namespace

Json masks_json(const ServedAnswers& served, const AnsweredQuestion& asked,
                const std::vector<std::string>& notes) {
  Json json;
  json["phrases"] = asked.answer.phrases;
  json["masks"] = Json::array();
  for (const auto& mask : asked.answer.masks) json["masks"].push_back(mask_json(mask));
  add_shown(served.shown, json);
  auto all = served.shown.notes;
  all.insert(all.end(), notes.begin(), notes.end());
  if (!all.empty()) json["notes"] = all;
  return json;
}

Json segment_json(const ServedAnswers& served, const std::string& model) {
  Json json;
  json["size"] = {served.shown.image.height, served.shown.image.width};
  add_shown(served.shown, json);
  if (!served.shown.notes.empty()) json["notes"] = served.shown.notes;
  json["model"] = model;
  json["turns"] = Json::array();
  for (const auto& asked : served.answered) {
    Json turn = {{"question", asked.question},
                 {"answer", asked.answer.text},
                 {"phrases", asked.answer.phrases},
                 {"finish", name_of(asked.answer.finish)},
                 {"new_tokens", asked.answer.ids.size()},
                 {"seconds", asked.answer.seconds},
                 {"masks", Json::array()}};
    for (const auto& mask : asked.answer.masks) turn["masks"].push_back(mask_json(mask));
    json["turns"].push_back(std::move(turn));
  }
  return json;
}

const char* finish_reason_of(const Answer& answer) {
  return answer.finish == Finish::kEos ? "stop" : "length";
}

Json completion_json(const std::string& id, const std::string& model, const AnsweredQuestion& asked,
                     Json masks) {
  const Json message = {
      {"role", "assistant"}, {"content", asked.answer.text}, {"medseg", std::move(masks)}};
  Json json = {{"id", id},
               {"object", "chat.completion"},
               {"created", static_cast<std::int64_t>(std::time(nullptr))},
               {"model", model}};
  json["choices"] = Json::array();
  json["choices"].push_back({{"index", 0},
                             {"message", message},
                             {"logprobs", nullptr},
                             {"finish_reason", finish_reason_of(asked.answer)}});
  json["usage"] = usage_json(asked.answer);
  return json;
}

Json chunk_json(const std::string& id, const std::string& model, Json delta,
                const char* finish_reason) {
  Json choice = {{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", nullptr}};
  if (finish_reason != nullptr) choice["finish_reason"] = finish_reason;
  Json json = {{"id", id},
               {"object", "chat.completion.chunk"},
               {"created", static_cast<std::int64_t>(std::time(nullptr))},
               {"model", model}};
  json["choices"] = Json::array({std::move(choice)});
  return json;
}

std::string json_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace medseg
