// MeCoVQA, of MedPLIB: LLaVA's conversations whose answers hold `<SEG>` and
// `<mask>path.png</mask>`.
// MedPLIB datasets/LazySupervisedDataset.py, extract_masks_fun
#include "dialogue.h"
#include "exporter.h"
#include "formats.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "sa_med2d.h"

namespace medseg {
namespace {

class MedplibItem {
 public:
  MedplibItem(const SourceFiles& files, const std::string& file, const JsonItem& item,
              const std::map<std::string, std::string>& classes, Reading& reading)
      : files_(files),
        near_(file.substr(0, file.rfind('/') + 1)),
        item_(item),
        classes_(classes),
        reading_(reading) {}

  void read(const std::string& id) {
    const auto image = item_.at("image");
    draft_.record.image = files_.find(image.text(), near_, image.where());
    draft_.record.id = id;
    const auto name = sa_med2d_name(image.text());
    draft_.record.modality = name.modality;
    draft_.record.subject = name.subject;
    for (const auto& [question, answer] : question_pairs(item_.at("conversations")))
      read_turn(question.at("value"), answer.at("value"));
    if (!draft_.record.turns.empty()) reading_.add(std::move(draft_));
  }

 private:
  void read_turn(const JsonItem& asks, const JsonItem& says) {
    const std::string question = asks.text();
    std::string answer = says.text();
    if (question.find("<region>") != std::string::npos ||
        answer.find("<region>") != std::string::npos) {
      reading_.skip("a question about a region drawn into the image", asks.where());
      return;
    }
    const auto open = answer.find("<mask>"), close = answer.find("</mask>");
    if (open == std::string::npos) {
      if (answer.find("<SEG>") != std::string::npos) says.fail("<SEG> without <mask>");
      add_turn(draft_.record, question, answer);
      return;
    }
    if (close == std::string::npos || close < open) says.fail("<mask> without </mask>");
    const std::string path = answer.substr(open + 6, close - open - 6);
    answer.erase(open, close + 7 - open);
    const auto seg = answer.find("<SEG>");
    if (seg == std::string::npos || answer.find("<SEG>", seg + 1) != std::string::npos)
      says.expected("one <SEG> beside its <mask>");
    answer = tidy(replaced(answer, "<SEG>", kSegToken));
    const auto file = files_.find(path, near_, says.where());
    const auto name = sa_med2d_name(path);
    const std::string label = name.klass.empty() ? "target" : sa_med2d_label(classes_, name);
    const std::string id = next_mask_id(draft_.record);
    add_mask_file(draft_, file, {{{}, label}}, reading_);
    if (!draft_.record.masks.contains(id)) {
      reading_.skip("an empty mask", says.where());
      return;
    }
    add_turn(draft_.record, question, answer, {{id}});
  }

  const SourceFiles& files_;
  std::string near_;
  const JsonItem& item_;
  const std::map<std::string, std::string>& classes_;
  Reading& reading_;
  Draft draft_;
};

}  // namespace

void read_medplib(Reading& reading) {
  for_each_json(
      reading, [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
        const auto& json = root.json();
        if (!json.is_array() || json.empty() || !json[0].is_object() ||
            !json[0].contains("conversations"))
          return false;
        const auto classes = sa_med2d_classes(files);
        std::size_t number = 0;
        for (const auto& item : root.items())
          MedplibItem(files, name, item, classes, reading).read(numbered_id(name, number++));
        return true;
      });
}

void write_medplib(Exporter& exporter) {
  exporter.write_list_of_each_split(
      [&](const ExportPicture& picture, const std::string& image, nlohmann::ordered_json& list) {
        int number = 0;
        for (const Record* record : picture.records) {
          auto turns = nlohmann::ordered_json::array();
          for (const auto& turn : record->turns) {
            if (!turn.has_answer) continue;
            if (turn.masks.size() > 1) {
              exporter.skip("a turn with several [SEG]: MedPLIB has one a turn", record->id);
              continue;
            }
            std::string question = turn.question;
            if (turns.empty() && question.find(kImagePlace) == std::string::npos)
              question = str_cat(kImagePlace, "\n", question);
            std::string answer = replaced(replaced(turn.answer, std::string(kPhraseOpen) + " ", ""),
                                          std::string(" ") + kPhraseClose, "");
            if (!turn.masks.empty()) {
              const std::string name = str_cat("masks/", picture.name, "--", number++, ".png");
              exporter.write_mask(exporter.mask_of(picture, *record, turn.masks.front()), name);
              answer = replaced(answer, kSegToken, "<SEG>") + "<mask>" + name + "</mask>";
            }
            turns.push_back({{"from", "human"}, {"value", question}});
            turns.push_back({{"from", "gpt"}, {"value", answer}});
          }
          if (!turns.empty())
            list.push_back({{"id", record->id}, {"image", image}, {"conversations", turns}});
        }
      });
}

}  // namespace medseg
