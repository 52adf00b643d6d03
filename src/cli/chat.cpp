#include <iostream>

#include <ATen/ATen.h>
#include <unistd.h>

#include "commands.h"
#include "medseg/base/str.h"
#include "medseg/generation/answer_files.h"
#include "medseg/nn/autocast.h"
#include "model_options.h"
#include "picture_options.h"

namespace medseg {
namespace {

struct ChatArguments {
  ModelOptions model;
  PictureOptions picture;
  std::filesystem::path out;
};

bool next_question(std::string& question) {
  if (::isatty(STDIN_FILENO) == 1) std::cerr << "> " << std::flush;
  while (std::getline(std::cin, question)) {
    question = trim(question);
    if (question == "/exit") return false;
    if (!question.empty()) return true;
  }
  return false;
}

void chat(const ChatArguments& arguments) {
  const RecordImage shown = open_named_picture(arguments.picture);
  const OpenBundle bundle = open_model(arguments.model);
  const AutocastScope autocast(bundle.model->device().type(), arguments.model.dtype());
  auto features = std::make_shared<const ImageFeatures>(
      encode_image(shown.image, *bundle.model, bundle.options, arguments.model.dtype()));
  Dialogue dialogue(bundle, features, arguments.model.generation(bundle));
  std::vector<AnsweredQuestion> answered;
  std::string question;
  while (next_question(question)) {
    Answer answer =
        dialogue.ask(question, [](const std::string& text) { std::cout << text << std::flush; });
    std::cout << "\n";
    for (const auto& mask : answer.masks) {
      std::cout << "  [SEG] " << mask.phrase << ": " << mask.mask.area() << " pixels, score "
                << fixed(mask.score(), 2) << "\n";
    }
    std::cout << std::flush;
    answered.push_back({question, std::move(answer)});
    // After every turn, so that an interrupted chat keeps its answers.
    if (!arguments.out.empty()) {
      write_answers(arguments.out, arguments.picture.file, shown, arguments.model.bundle, answered);
    }
  }
}

}  // namespace

void add_chat(Command& app) {
  auto arguments = std::make_shared<ChatArguments>();
  auto* command =
      app.add_subcommand("chat", "Talk about one image, line by line; /exit or end of input ends");
  add_model_options(*command, arguments->model);
  add_picture_options(*command, arguments->picture);
  command->add_option("--out", arguments->out,
                      "folder for masks, overlay and answer.json, updated after every answer");
  command->footer("Example: medseg chat --model runs/demo/best --image head.png --out runs/chat");
  command->callback([arguments] { chat(*arguments); });
}

}  // namespace medseg
