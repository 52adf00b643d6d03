#include "medseg/generation/answer_files.h"

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/image/overlay.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string mask_name(std::size_t turn, std::size_t index) {
  return str_cat("mask-", turn, "-", index, ".png");
}

bool is_own_file(const std::string& name) {
  return name == "answer.json" || name == "overlay.png" ||
         (name.starts_with("mask-") && name.ends_with(".png"));
}

Json answer_json(const AnsweredQuestion& asked, std::size_t turn) {
  Json json;
  json["question"] = asked.question;
  json["answer"] = asked.answer.text;
  json["phrases"] = asked.answer.phrases;
  json["finish"] = name_of(asked.answer.finish);
  json["new_tokens"] = asked.answer.ids.size();
  json["seconds"] = asked.answer.seconds;
  json["masks"] = Json::array();
  for (std::size_t i = 0; i < asked.answer.masks.size(); ++i) {
    const auto& mask = asked.answer.masks[i];
    json["masks"].push_back({{"file", mask_name(turn, i)},
                             {"phrase", mask.phrase},
                             {"seg_probability", mask.seg_probability},
                             {"predicted_iou", mask.predicted_iou},
                             {"score", mask.score()},
                             {"area_pixels", mask.mask.area()}});
  }
  return json;
}

}  // namespace

void write_answers(const fs::path& out, const fs::path& picture, const RecordImage& image,
                   const fs::path& model, const std::vector<AnsweredQuestion>& dialogue) {
  refuse_foreign_folder(out, is_own_file);
  AtomicFolder folder(out);
  Json json;
  json["image"] = picture.string();
  json["size"] = {image.image.height, image.image.width};
  if (image.window) json["window"] = window_text(*image.window);
  if (!image.notes.empty()) json["notes"] = image.notes;
  json["model"] = model.string();
  json["turns"] = Json::array();
  std::vector<OverlayMask> shown;
  for (std::size_t turn = 0; turn < dialogue.size(); ++turn) {
    json["turns"].push_back(answer_json(dialogue[turn], turn));
    const auto& masks = dialogue[turn].answer.masks;
    for (std::size_t i = 0; i < masks.size(); ++i) {
      write_png(folder.path() / mask_name(turn, i), masks[i].mask);
      shown.push_back({masks[i].mask,
                       masks[i].phrase.empty() ? str_cat("mask ", turn, "-", i) : masks[i].phrase});
    }
  }
  write_png(folder.path() / "overlay.png", draw_overlay(image.image, shown));
  write_file(folder.path() / "answer.json",
             json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  folder.commit();
}

}  // namespace medseg
