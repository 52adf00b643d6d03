#include <iostream>

#include <ATen/ATen.h>

#include "commands.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/generation/answer_files.h"
#include "medseg/nn/autocast.h"
#include "model_options.h"
#include "picture_options.h"

namespace medseg {
namespace {

struct PredictArguments {
  ModelOptions model;
  PictureOptions picture;
  std::vector<std::string> questions;
  std::filesystem::path out;
};

void predict(const PredictArguments& arguments) {
  if (arguments.questions.empty()) throw ConfigError("--ask", "missing: an image needs a question");
  for (const auto& question : arguments.questions) {
    if (trim(question).empty()) throw ConfigError("--ask", "the question is empty");
  }
  // Before the model, so that bad input fails at once.
  const RecordImage shown = open_named_picture(arguments.picture);
  const OpenBundle bundle = open_model(arguments.model);
  const AutocastScope autocast(bundle.model->device().type(), arguments.model.dtype());
  auto features = std::make_shared<const ImageFeatures>(
      encode_image(shown.image, *bundle.model, bundle.options, arguments.model.dtype()));
  Dialogue dialogue(bundle, features, arguments.model.generation(bundle));
  std::vector<AnsweredQuestion> answered;
  for (const auto& question : arguments.questions) {
    answered.push_back({question, dialogue.ask(question)});
    std::cout << answered.back().answer.text << "\n" << std::flush;
  }
  write_answers(arguments.out, arguments.picture.file, shown, arguments.model.bundle, answered);
  log_info("wrote " + (arguments.out / "overlay.png").string() + " and answer.json next to it");
}

}  // namespace

void add_predict(CLI::App& app) {
  auto arguments = std::make_shared<PredictArguments>();
  auto* command = app.add_subcommand(
      "predict", "Ask about one image: words, one mask for every [SEG], an overlay");
  add_model_options(*command, arguments->model);
  add_picture_options(*command, arguments->picture);
  command
      ->add_option("--ask", arguments->questions, "a question; several are turns of one dialogue")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command
      ->add_option("--out", arguments->out,
                   "folder for answer.json, mask-TURN-INDEX.png, overlay.png")
      ->required();
  command->footer(
      "Example: medseg predict --model runs/demo/best --image head.png --ask \"Which structure "
      "protects the brain?\" "
      "--out runs/answer");
  command->callback([arguments] { predict(*arguments); });
}

}  // namespace medseg
