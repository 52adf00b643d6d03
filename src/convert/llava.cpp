// LLaVA's conversations: a list of {"id", "image", "conversations"}; text only. `[SEG]` needs
// masks, which this form does not hold.
// llava/train/train.py, LazySupervisedDataset
#include "dialogue.h"
#include "exporter.h"
#include "formats.h"
#include "medseg/base/error.h"
#include "medseg/text/conversation.h"
#include "source_files.h"

namespace medseg {
namespace {

void read_item(const SourceFiles& files, const std::string& name, const JsonItem& item,
               std::size_t number, Reading& reading) {
  const auto image = item.find("image");
  if (!image) {
    reading.skip("a conversation without an image", item.where());
    return;
  }
  Draft draft;
  draft.record.image =
      files.find(image->text(), name.substr(0, name.rfind('/') + 1), image->where());
  const auto id = item.find("id");
  draft.record.id = id ? id->text_or_number() : numbered_id(name, number);
  for (const auto& [question, answer] : question_pairs(item.at("conversations"))) {
    const std::string said = answer.at("value").text();
    if (count_seg(said) > 0) {
      reading.skip("an answer with [SEG] and no mask", answer.where());
      continue;
    }
    if (tidy(said).empty()) answer.at("value").expected("an answer");
    add_turn(draft.record, question.at("value").text(), said);
  }
  if (!draft.record.turns.empty()) reading.add(std::move(draft));
}

}  // namespace

void read_llava(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  const auto& json = root.json();
                  if (!json.is_array() || json.empty() || !json[0].is_object() ||
                      !json[0].contains("conversations"))
                    return false;
                  std::size_t number = 0;
                  for (const auto& item : root.items())
                    read_item(files, name, item, number++, reading);
                  return true;
                });
}

void write_llava(Exporter& exporter) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& picture : exporter.pictures()) {
    const std::string name = "images/" + picture.name + ".png";
    bool any = false;
    for (const Record* record : picture.records) {
      auto turns = nlohmann::ordered_json::array();
      for (const auto& turn : record->turns) {
        if (!turn.has_answer) continue;
        turns.push_back({{"from", "human"}, {"value", turn.question}});
        turns.push_back({{"from", "gpt"},
                         {"value", tidy(replaced(replaced(replaced(turn.answer, kSegToken, ""),
                                                          kPhraseOpen, ""),
                                                 kPhraseClose, ""))}});
      }
      if (turns.empty()) continue;
      any = true;
      list.push_back({{"id", record->id}, {"image", name}, {"conversations", turns}});
    }
    if (any) exporter.write_image(picture, name);
  }
  exporter.write_text("conversations.json", list.dump(1) + "\n");
  exporter.note("text only: [SEG], phrases and masks are left out");
}

}  // namespace medseg
