#include "medseg/generation/answer_image.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/nn/autocast.h"

namespace medseg {

std::vector<AnsweredQuestion> answer_image(const OpenBundle& bundle, const ModelOptions& options,
                                           const Image& image,
                                           const std::vector<std::string>& questions) {
  const AutocastScope autocast(bundle.model->device().type(), options.dtype());
  auto features = std::make_shared<const ImageFeatures>(
      encode_image(image, *bundle.model, bundle.options, options.dtype()));
  Dialogue dialogue(bundle, features, options.generation(bundle));
  std::vector<AnsweredQuestion> answered;
  for (const auto& question : questions) answered.push_back({question, dialogue.ask(question)});
  return answered;
}

SliceAnswers slice_answers(const std::vector<AnsweredQuestion>& dialogue) {
  SliceAnswers answers;
  for (const auto& asked : dialogue) {
    SliceTurn turn;
    turn.text = asked.answer.text;
    turn.phrases = asked.answer.phrases;
    turn.finish = name_of(asked.answer.finish);
    turn.new_tokens = static_cast<std::int64_t>(asked.answer.ids.size());
    turn.seconds = asked.answer.seconds;
    for (const auto& mask : asked.answer.masks) {
      turn.masks.push_back({mask.phrase, encode_rle(mask.mask), mask.seg_probability,
                            mask.predicted_iou, mask.score()});
    }
    answers.push_back(std::move(turn));
  }
  return answers;
}

std::string asker_of(const OpenBundle& bundle, const ModelOptions& options) {
  namespace fs = std::filesystem;
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(options.bundle)) {
    if (!entry.is_regular_file()) continue;
    files.push_back(str_cat(entry.path().filename().string(), " ", entry.file_size(), " ",
                            entry.last_write_time().time_since_epoch().count()));
  }
  std::sort(files.begin(), files.end());
  return str_cat(sha256(read_file(options.bundle / "config.json")), "\n", join(files, "\n"), "\n",
                 options.precision, " ", options.device, " ",
                 options.generation(bundle).max_new_tokens);
}

}  // namespace medseg
