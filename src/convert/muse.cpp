// MUSE (PixelLM): {"file_name" or "coco_url", "height", "width", "questions", "answers": [[{
// "segmentation", "category_name", "rephrased_name"}]], "text_answers" with "{seg}"}.
// PixelLM utils/multi_reason_seg_dataset.py
#include "dialogue.h"
#include "formats.h"
#include "image_size.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "outlines.h"
#include "source_files.h"

namespace medseg {
namespace {

class MuseItem {
 public:
  MuseItem(const SourceFiles& files, const std::string& name, const JsonItem& item,
           Reading& reading)
      : item_(item), reading_(reading) {
    const auto file = item.find("file_name") ? item.at("file_name") : item.at("coco_url");
    const std::string text = file.text();
    image_ = files.find(text.substr(text.rfind('/') + 1), name.substr(0, name.rfind('/') + 1),
                        file.where());
    std::tie(width_, height_) = image_size(image_);
  }

  void read(const std::string& id) {
    const auto questions = item_.at("questions").items(), answers = item_.at("answers").items();
    if (questions.size() != answers.size())
      item_.at("answers").fail(
          str_cat("found ", answers.size(), " for ", questions.size(), " questions"));
    std::vector<JsonItem> texts;
    if (const auto said = item_.find("text_answers")) texts = said->items();
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const bool said = i < texts.size() && texts[i].json().is_string();
      read_question(str_cat(id, "-", i), questions[i].text(), answers[i],
                    said ? texts[i].text() : "");
    }
  }

 private:
  void read_question(const std::string& id, const std::string& question, const JsonItem& answers,
                     const std::string& text) {
    Draft draft;
    draft.record.id = id;
    draft.record.image = image_;
    std::vector<std::vector<std::string>> masks;
    std::vector<std::string> named;
    for (const auto& one : answers.items()) {
      const auto rephrased = one.find("rephrased_name");
      const std::string label = rephrased ? rephrased->text() : one.at("category_name").text();
      if (label.empty()) one.expected("a name");
      const auto outline = one.at("segmentation");
      const Mask mask = pixels_of(outline_of(outline, label), width_, height_, outline.where());
      if (mask.area() == 0) {
        reading_.skip("a question with an empty mask", outline.where());
        return;
      }
      masks.push_back({next_mask_id(draft.record)});
      add_mask(draft, label, mask);
      named.push_back("<p> " + label + " </p> [SEG]");
    }
    std::string answer = replaced(text, "{seg}", "[SEG]");
    const auto segs = count_of(answer);
    if (text.empty()) {
      answer = "It is the " + join(named, ", the ") + ".";
      if (named.empty()) answer = "There is nothing of that kind.";
    } else if (segs != masks.size()) {
      reading_.skip("an answer whose {seg} are not as many as its masks", answers.where());
      return;
    }
    add_turn(draft.record, question, answer, masks);
    reading_.add(std::move(draft));
  }

  static std::size_t count_of(const std::string& text) {
    std::size_t count = 0;
    for (auto at = text.find("[SEG]"); at != std::string::npos; at = text.find("[SEG]", at + 5))
      ++count;
    return count;
  }

  const JsonItem& item_;
  Reading& reading_;
  std::filesystem::path image_;
  int width_ = 0, height_ = 0;
};

}  // namespace

void read_muse(Reading& reading) {
  for_each_json(reading,
                [&](const SourceFiles& files, const std::string& name, const JsonItem& root) {
                  const auto& json = root.json();
                  if (!json.is_array() || json.empty() || !json[0].is_object() ||
                      !json[0].contains("ann_list") || !json[0].contains("questions"))
                    return false;
                  std::size_t number = 0;
                  for (const auto& item : root.items()) {
                    if (item.find("questions"))
                      MuseItem(files, name, item, reading).read(numbered_id(name, number));
                    ++number;
                  }
                  return true;
                });
}

}  // namespace medseg
