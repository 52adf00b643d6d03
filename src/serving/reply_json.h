// Answers as the API writes them.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "medseg/serving/asked_model.h"

namespace medseg {

/// {"phrases", "masks": [{"phrase", "rle", "seg_probability", "predicted_iou", "score"}], "notes"}:
/// key "medseg" of a chat message.
nlohmann::ordered_json masks_json(const ServedAnswers& served, const AnsweredQuestion& asked,
                                  const std::vector<std::string>& notes);

/// What answer.json holds, masks as run lengths.
nlohmann::ordered_json segment_json(const ServedAnswers& served, const std::string& model);

/// OpenAI's completion of one answer.
nlohmann::ordered_json completion_json(const std::string& id, const std::string& model,
                                       const AnsweredQuestion& asked, nlohmann::ordered_json masks);

/// One chunk of a stream; `delta` is its news.
nlohmann::ordered_json chunk_json(const std::string& id, const std::string& model,
                                  nlohmann::ordered_json delta, const char* finish_reason);

/// "stop" or "length".
const char* finish_reason_of(const Answer& answer);

/// Text that is not UTF-8 (a model may break off inside a character) is replaced, never refused.
std::string json_text(const nlohmann::ordered_json& json);

}  // namespace medseg
