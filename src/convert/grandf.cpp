// GranDf, for grounded conversation generation: {"file_name", "caption", "groundings": {phrase:
// {"token_positives": [start, end], "rle_masks": […]}}}.
// groundingLMM dataset/gcg_datasets/GranDf_gcg_ds.py
#include <algorithm>

#include "dialogue.h"
#include "exporter.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "outlines.h"
#include "source_files.h"

namespace medseg {
namespace {

struct Phrase {
  std::size_t begin = 0, end = 0;
  std::string label;
  Mask mask;
};

/// Byte of the n-th character of a UTF-8 text; Python counts characters.
std::size_t byte_of(const std::string& text, std::int64_t character) {
  std::size_t at = 0;
  for (std::int64_t i = 0; i < character && at < text.size(); ++i) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0U) == 0x80U) ++at;
  }
  return at;
}

std::vector<Phrase> phrases_of(const JsonItem& item, const std::string& caption, int width,
                               int height) {
  std::vector<Phrase> phrases;
  for (const auto& [label, grounding] : item.at("groundings").entries()) {
    Phrase phrase;
    phrase.label = label;
    const auto range = grounding.at("token_positives").items();
    if (range.size() != 2) grounding.at("token_positives").expected("[start, end]");
    const auto most = static_cast<std::int64_t>(caption.size());
    phrase.begin = byte_of(caption, range[0].whole(0, most));
    phrase.end = byte_of(caption, range[1].whole(0, most));
    if (phrase.begin >= phrase.end) grounding.at("token_positives").expected("[start, end]");
    phrase.mask = Mask(width, height);
    for (const auto& rle : grounding.at("rle_masks").items())
      phrase.mask =
          mask_union(phrase.mask, pixels_of(outline_of(rle, label), width, height, rle.where()));
    phrases.push_back(std::move(phrase));
  }
  std::sort(phrases.begin(), phrases.end(),
            [](const Phrase& a, const Phrase& b) { return a.begin < b.begin; });
  return phrases;
}

void read_item(const SourceFiles& files, const std::string& name, const JsonItem& item,
               std::size_t number, Reading& reading) {
  Draft draft;
  const auto file = item.at("file_name");
  draft.record.image = files.find(file.text(), name.substr(0, name.rfind('/') + 1), file.where());
  draft.record.id = str_cat(stem_of(file.text()), "-", number);
  const std::string caption = item.at("caption").text();
  const auto [width, height] = image_size(draft.record.image);
  std::string answer;
  std::vector<std::vector<std::string>> masks;
  std::size_t at = 0;
  for (const auto& phrase : phrases_of(item, caption, width, height)) {
    if (phrase.begin < at || phrase.mask.area() == 0) {
      reading.skip(phrase.begin < at ? "a phrase inside another one" : "a phrase without a pixel",
                   item.where() + ".groundings");
      continue;
    }
    answer += caption.substr(at, phrase.begin - at) + "<p> " +
              caption.substr(phrase.begin, phrase.end - phrase.begin) + " </p> [SEG]";
    at = phrase.end;
    masks.push_back({next_mask_id(draft.record)});
    add_mask(draft, phrase.label, phrase.mask);
  }
  answer += caption.substr(at);
  if (tidy(answer).empty()) item.at("caption").expected("a text");
  add_turn(draft.record, "Describe this image in detail and mark the parts that you name.", answer,
           masks);
  reading.add(std::move(draft));
}

}  // namespace

void read_grandf(Reading& reading) {
  for_each_json(reading, [&](const SourceFiles& files, const std::string& name,
                             const JsonItem& root) {
    const auto& json = root.json();
    if (!json.is_array() || json.empty() || !json[0].is_object() || !json[0].contains("groundings"))
      return false;
    std::size_t number = 0;
    for (const auto& item : root.items()) read_item(files, name, item, number++, reading);
    return true;
  });
  reading.note("questions: GranDf has none; every caption answers one that asks for a description");
}

namespace {

/// An answer without its marks, and where its phrases stand in it, counted in characters.
struct Caption {
  std::string text;
  std::vector<std::pair<std::int64_t, std::int64_t>> phrases;
};

std::int64_t characters(const std::string& text) {
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; });
}

Caption caption_of(const std::string& answer) {
  Caption caption;
  std::string rest = answer;
  for (auto seg = rest.find(kSegToken); seg != std::string::npos; seg = rest.find(kSegToken)) {
    const auto open = rest.rfind(kPhraseOpen, seg), close = rest.rfind(kPhraseClose, seg);
    if (open == std::string::npos || close == std::string::npos || close < open) {
      caption.text += rest.substr(0, seg);
      caption.phrases.emplace_back(-1, -1);
    } else {
      caption.text += rest.substr(0, open);
      const std::string phrase = trim(rest.substr(open + 3, close - open - 3));
      const auto begin = characters(caption.text);
      caption.text += phrase;
      caption.phrases.emplace_back(begin, begin + characters(phrase));
    }
    rest.erase(0, seg + 5);
  }
  caption.text += rest;
  return caption;
}

}  // namespace

void write_grandf(Exporter& exporter) {
  exporter.write_list_of_each_split(
      [&](const ExportPicture& picture, const std::string& name, nlohmann::ordered_json& list) {
        for (const Record* record : picture.records) {
          for (const auto& turn : record->turns) {
            const Caption caption = caption_of(turn.answer);
            auto groundings = nlohmann::ordered_json::object();
            for (std::size_t i = 0; i < caption.phrases.size(); ++i) {
              const auto [begin, end] = caption.phrases[i];
              const auto& first = record->masks.at(turn.masks[i].front()).label;
              if (begin < 0 || groundings.contains(first)) {
                exporter.skip("a [SEG] without a phrase of its own", record->id);
                continue;
              }
              const Rle rle = encode_rle(exporter.mask_of(picture, *record, turn.masks[i]));
              groundings[first] = {
                  {"token_positives", {begin, end}},
                  {"rle_masks", {{{"size", {rle.height, rle.width}}, {"counts", rle.counts}}}}};
              exporter.count_masks(1);
            }
            list.push_back(
                {{"file_name", name}, {"caption", caption.text}, {"groundings", groundings}});
          }
        }
      });
  exporter.note("questions do not fit into GranDf's form and are left out");
}

}  // namespace medseg
