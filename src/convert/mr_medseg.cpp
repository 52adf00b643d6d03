// MR-MedSeg (MediRound): several rounds about one image. Questions hold [IMAGE256:path],
// [MASK-ENCODE:path] and [BOX-ENCODE:path], answers [MASK-DECODE:path] and [REF-DECODE:path].
// MediRound utils/multi_turn_med_seg.py and data_sample.json
#include "dialogue.h"
#include "exporter.h"
#include "formats.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "source_files.h"

namespace medseg {
namespace {

struct Bracket {
  std::string kind, path;
};

/// Takes every [KIND:path] of the known kinds out of a text; `kept` stands in for MASK-DECODE.
std::vector<Bracket> take_brackets(std::string& text, const std::string& kept) {
  std::vector<Bracket> found;
  for (auto at = text.find('['); at != std::string::npos; at = text.find('[', at)) {
    const auto close = text.find(']', at), colon = text.find(':', at);
    const bool whole = close != std::string::npos && colon != std::string::npos && colon < close;
    const std::string kind = whole ? text.substr(at + 1, colon - at - 1) : "";
    if (kind != "IMAGE256" && kind != "MASK-ENCODE" && kind != "BOX-ENCODE" &&
        kind != "MASK-DECODE" && kind != "REF-DECODE") {
      ++at;
      continue;
    }
    found.push_back({kind, text.substr(colon + 1, close - colon - 1)});
    const std::string stand_in = kind == "MASK-DECODE" ? kept : "";
    text.replace(at, close + 1 - at, stand_in);
    at += stand_in.size();
  }
  return found;
}

void read_item(const SourceFiles& files, const std::string& name, const JsonItem& item,
               std::size_t number, Reading& reading) {
  const std::string near = name.substr(0, name.rfind('/') + 1);
  Draft draft;
  draft.record.id = numbered_id(name, number);
  std::size_t round = 0;
  for (const auto& [asks, says] : question_pairs(item.at("conversations"))) {
    std::string question = asks.at("value").text(), answer = says.at("value").text();
    for (const auto& bracket : take_brackets(question, ""))
      if (bracket.kind == "IMAGE256")
        draft.record.image = files.find(bracket.path, near, asks.where());
    if (draft.record.image.empty()) asks.expected("[IMAGE256:path] in the first question");
    const auto targets = take_brackets(answer, kSegToken);
    std::vector<std::vector<std::string>> masks;
    bool empty = false;
    for (const auto& target : targets) {
      if (target.kind != "MASK-DECODE") continue;
      const std::string id = next_mask_id(draft.record);
      add_mask_file(draft, files.find(target.path, near, says.where()),
                    {{{}, str_cat("round ", round)}}, reading);
      empty = empty || !draft.record.masks.contains(id);
      masks.push_back({id});
    }
    if (masks.size() != 1) says.expected("one [MASK-DECODE:path]");
    if (empty) {
      reading.skip("a dialogue that is cut off at an empty mask", says.where());
      break;
    }
    add_turn(draft.record, tidy(question), tidy(answer), masks);
    ++round;
  }
  if (!draft.record.turns.empty()) reading.add(std::move(draft));
}

}  // namespace

void read_mr_medseg(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  const auto& json = root.json();
                  const auto& first = json.is_array() && !json.empty() ? json[0] : json;
                  if (!first.is_object() || !first.contains("conversations")) return false;
                  if (json.is_object()) {
                    read_item(files, name, root, 0, reading);
                    return true;
                  }
                  std::size_t number = 0;
                  for (const auto& item : root.items())
                    read_item(files, name, item, number++, reading);
                  return true;
                });
  reading.note("labels: MR-MedSeg names no structures; targets are called by their rounds");
}

void write_mr_medseg(Exporter& exporter) {
  exporter.write_list_of_each_split([&](const ExportPicture& picture, const std::string& image,
                                        nlohmann::ordered_json& list) {
    int number = 0;
    for (const Record* record : picture.records) {
      auto turns = nlohmann::ordered_json::array();
      std::string last;
      for (const auto& turn : record->turns) {
        if (!turn.has_answer || turn.masks.size() != 1) {
          exporter.skip("a turn without exactly one [SEG]", record->id);
          continue;
        }
        const std::string name = str_cat("masks/", picture.name, "--", number++, ".png");
        exporter.write_mask(exporter.mask_of(picture, *record, turn.masks.front()), name);
        std::string question = trim(replaced(turn.question, kImagePlace, ""));
        nlohmann::ordered_json asks = {{"from", "human"}};
        if (last.empty()) {
          asks["value"] = "[IMAGE256:" + image + "] " + question;
        } else {
          asks["value"] = "[MASK-ENCODE:" + last + "][BOX-ENCODE:" + last + "] " + question;
          asks["ind"] = static_cast<int>(turns.size()) / 2 - 1;
        }
        std::string target = "[MASK-DECODE:" + name + "]";
        if (!last.empty()) target.insert(0, "[REF-DECODE:" + last + "]");
        const std::string answer = replaced(turn.answer, kSegToken, target);
        turns.push_back(asks);
        turns.push_back({{"from", "gpt"}, {"value", answer}});
        last = name;
      }
      if (!turns.empty())
        list.push_back({{"task", "segmentation"}, {"base", "[null]"}, {"conversations", turns}});
    }
  });
}

}  // namespace medseg
