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

/// `spacing_mm`: of the picture, where it is known.
Json answer_json(const AnsweredQuestion& asked, std::size_t turn,
                 const std::optional<std::array<double, 2>>& spacing_mm) {
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
    // Its score is below the threshold that was chosen on validation data: not drawn.
    if (mask.below_threshold) json["masks"].back()["below_threshold"] = true;
    if (spacing_mm) {
      json["masks"].back()["area_mm2"] =
          static_cast<double>(mask.mask.area()) * (*spacing_mm)[0] * (*spacing_mm)[1];
    }
  }
  return json;
}

}  // namespace

bool is_answer_file(const std::string& name) {
  if (name.starts_with("mask-")) {
    for (const char* ending : {".png", ".nii.gz", ".nii", ".nrrd", ".mha"}) {
      if (name.ends_with(ending)) return true;
    }
  }
  return name == "answer.json" || name == "overlay.png" || name == "seg.dcm" ||
         name == kSliceJournal;
}

void write_answers(const fs::path& out, const fs::path& picture, const RecordImage& image,
                   const fs::path& model, const std::vector<AnsweredQuestion>& dialogue,
                   const std::string& request) {
  refuse_foreign_folder(out, is_answer_file);
  AtomicFolder folder(out);
  Json json;
  json["image"] = picture.string();
  json["size"] = {image.image.height, image.image.width};
  if (image.window) json["window"] = window_text(*image.window);
  if (image.spacing_mm) json["spacing_mm"] = *image.spacing_mm;
  if (!image.notes.empty()) json["notes"] = image.notes;
  json["model"] = model.string();
  if (!request.empty()) json["request"] = request;
  json["turns"] = Json::array();
  std::vector<OverlayMask> shown;
  for (std::size_t turn = 0; turn < dialogue.size(); ++turn) {
    json["turns"].push_back(answer_json(dialogue[turn], turn, image.spacing_mm));
    const auto& masks = dialogue[turn].answer.masks;
    for (std::size_t i = 0; i < masks.size(); ++i) {
      write_png(folder.path() / mask_name(turn, i), masks[i].mask);
      shown.push_back({masks[i].mask,
                       masks[i].phrase.empty() ? str_cat("mask ", turn, "-", i) : masks[i].phrase});
    }
  }
  const double aspect = image.spacing_mm ? (*image.spacing_mm)[1] / (*image.spacing_mm)[0] : 1.0;
  write_png(folder.path() / "overlay.png", draw_overlay(image.image, shown, 512, aspect));
  write_file(folder.path() / "answer.json",
             json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  folder.commit();
}

}  // namespace medseg
