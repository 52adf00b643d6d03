#include "review_content.h"

#include "answer_parts.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/curation/review_store.h"
#include "medseg/image/rle.h"

namespace medseg {
namespace {

using nlohmann::json;

Rle rle_of(const json& mask, const std::string& where) {
  const auto fail = [&] {
    throw DataError(where, "expected {\"size\": [height, width], \"counts\": \"…\"}");
  };
  if (!mask.is_object() || !mask.contains("size") || !mask.contains("counts")) fail();
  if (!mask["counts"].is_string()) fail();
  const auto [height, width] = size_of_mask(mask["size"], where);
  return {height, width, mask["counts"].get<std::string>()};
}

std::string text_of(const json& turn, const char* key, const std::string& where) {
  const auto found = turn.is_object() ? turn.find(key) : turn.end();
  if (!turn.is_object() || found == turn.end() || !found->is_string() ||
      found->get_ref<const std::string&>().size() > 20000)
    throw DataError(where, str_cat("expected a text \"", key, "\""));
  return found->get<std::string>();
}

}  // namespace

std::pair<int, int> size_of_mask(const json& size, const std::string& where) {
  constexpr std::int64_t kMost = 16384;
  const auto good = [&](const json& side) {
    return side.is_number_integer() && side >= 1 && side <= kMost;
  };
  if (!size.is_array() || size.size() != 2 || !good(size[0]) || !good(size[1]))
    throw DataError(where, "expected \"size\": [height, width]");
  return {size[0].get<int>(), size[1].get<int>()};
}

std::map<std::string, Mask> masks_of_content(const json& content) {
  std::map<std::string, Mask> masks;
  if (!content.contains("masks")) return masks;
  for (const auto& mask : content.at("masks").items()) {
    masks[mask.key()] =
        with_place("masks." + mask.key(), [&] { return decode_rle(rle_of(mask.value(), "")); });
  }
  return masks;
}

std::string words_of_content(const json& content) {
  std::string words;
  for (const auto& turn : content.at("turns"))
    words +=
        turn.at("question").get<std::string>() + "\n" + turn.at("answer").get<std::string>() + "\n";
  return words;
}

Record with_content(const Record& record, const json& content) {
  if (!content.is_object()) throw DataError("content", "expected an object");
  Record revised = record;
  const auto turns = content.find("turns");
  if (turns == content.end() || !turns->is_array() || turns->size() != record.turns.size()) {
    throw DataError("turns", str_cat("expected the record's ", record.turns.size(), " turns"));
  }
  for (std::size_t i = 0; i < turns->size(); ++i) {
    const std::string where = str_cat("turns[", i, "]");
    auto& turn = revised.turns[i];
    turn.question = text_of((*turns)[i], "question", where);
    turn.answer = text_of((*turns)[i], "answer", where);
    const AnswerParts parts = parts_of(turn.answer);
    if (!parts.fault.empty()) throw DataError(where, parts.fault);
    if (parts.phrases.size() != turn.masks.size()) {
      throw DataError(where,
                      str_cat("[SEG] count ", parts.phrases.size(), ", masks ", turn.masks.size()));
    }
    const bool first = i == 0;
    if ((turn.question.find("<image>") != std::string::npos) != first)
      throw DataError(where, "<image> belongs into the first question alone");
  }
  const json masks = content.value("masks", json::object());
  if (!masks.is_object()) throw DataError("masks", "expected an object");
  for (const auto& [id, mask] : masks.items()) {
    const auto source = revised.masks.find(id);
    const std::string where = "masks." + id;
    if (source == revised.masks.end()) throw DataError(where, "the record has no such mask");
    const Rle rle = rle_of(mask, where);
    if (with_place(where, [&] { return decode_rle(rle); }).area() == 0)
      throw DataError(where, "an empty mask: say that it is not there");
    MaskSource edited;
    edited.label = source->second.label;
    edited.kind = "reader";
    edited.rle = rle;
    source->second = std::move(edited);
  }
  return revised;
}

}  // namespace medseg
