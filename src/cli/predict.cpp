#include <algorithm>
#include <iostream>
#include <optional>

#include "commands.h"
#include "medseg/base/log.h"
#include "medseg/base/progress.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/generation/answer_image.h"
#include "medseg/generation/picture_inputs.h"
#include "medseg/generation/volume_answer.h"
#include "model_options.h"
#include "picture_options.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct PredictArguments {
  ModelOptions model;
  PictureOptions picture;  ///< its file is one of `images` after another
  std::vector<fs::path> images;
  std::string slices, mask_format;
  bool consistent = false, structures = false;
  std::vector<std::string> questions;
  fs::path out;
};

/// Options of volumes need one that is asked about slice by slice.
void check_options(const PredictArguments& arguments, const std::vector<PictureInput>& inputs) {
  if (arguments.questions.empty()) throw ConfigError("--ask", "missing: an image needs a question");
  for (const auto& question : arguments.questions) {
    if (trim(question).empty()) throw ConfigError("--ask", "the question is empty");
  }
  const auto unused = [&](const char* option, bool given, const std::string& why) {
    if (given) throw ConfigError(option, why);
  };
  const std::string one = "--slice asks about one slice alone";
  unused("--slices", arguments.picture.slice && !arguments.slices.empty(), one);
  unused("--consistent", arguments.picture.slice && arguments.consistent, one);
  const bool volumes = std::any_of(inputs.begin(), inputs.end(),
                                   [](const PictureInput& input) { return input.is_volume; });
  const std::string none = "no --image is a volume of several slices";
  unused("--slices", !volumes && !arguments.slices.empty(), none);
  unused("--consistent", !volumes && arguments.consistent, none);
  unused("--rtstruct", arguments.picture.slice && arguments.structures, one);
  unused("--rtstruct", !volumes && arguments.structures, none);
  unused("--mask-format", !volumes && !arguments.mask_format.empty(), none);
}

/// Opens the bundle when it is first needed: bad input fails before that.
class Asker {
 public:
  explicit Asker(const PredictArguments& arguments) : arguments_(arguments) {}

  std::vector<AnsweredQuestion> ask(const Image& image) {
    return answer_image(bundle(), arguments_.model, image, arguments_.questions);
  }
  std::string name() { return asker_of(bundle(), arguments_.model); }

 private:
  const OpenBundle& bundle() {
    if (!bundle_) bundle_.emplace(open_model(arguments_.model));
    return *bundle_;
  }

  const PredictArguments& arguments_;
  std::optional<OpenBundle> bundle_;
};

void predict_picture(const PredictArguments& arguments, const PictureInput& input, Asker& asker) {
  PictureOptions picture = arguments.picture;
  picture.file = input.file;
  const RecordImage shown = open_named_picture(picture);
  const fs::path out = arguments.out / input.name;
  const auto request = picture_request(asker.name(), arguments.questions, shown.image);
  // One image alone is asked again; of a folder only what is not answered yet.
  if (!input.name.empty() && is_answered(out, request)) return;
  const auto answered = asker.ask(shown.image);
  for (const auto& one : answered) {
    std::cout << (input.name.empty() ? "" : input.name + ": ") << one.answer.text << "\n"
              << std::flush;
  }
  write_answers(out, input.file, shown, arguments.model.bundle, answered, request);
  log_info("wrote " + (out / "overlay.png").string() + " and answer.json next to it");
}

void predict_volume(const PredictArguments& arguments, const PictureInput& input, Asker& asker) {
  VolumeQuestions questions;
  questions.file = input.file;
  questions.volume = arguments.picture.volume;
  questions.modality = arguments.picture.modality;
  questions.window = arguments.picture.window;
  questions.axis = arguments.picture.axis;
  questions.slices = arguments.slices;
  questions.consistent = arguments.consistent;
  questions.structures = arguments.structures;
  if (!arguments.mask_format.empty())
    questions.format = choice_named<MaskVolumeFormat>("--mask-format", arguments.mask_format);
  questions.questions = arguments.questions;
  questions.out = arguments.out / input.name;
  VolumeAnswer volume(questions);
  for (const auto& note : volume.notes()) log_warning(input.file.string() + ": " + note);
  volume.run([&](const Image& image) { return slice_answers(asker.ask(image)); },
             arguments.model.bundle, asker.name());
  log_info("wrote " + (questions.out / "answer.json").string() + " and the masks next to it");
}

void predict(const PredictArguments& arguments) {
  const auto inputs = picture_inputs(arguments.images);
  check_options(arguments, inputs);
  // Between two images or slices there is something to keep; one image alone ends at once.
  std::optional<SignalWatch> signals;
  if (inputs.size() > 1 || inputs[0].is_volume) signals.emplace();
  Asker asker(arguments);
  Progress progress("images", static_cast<std::int64_t>(inputs.size()));
  std::vector<std::string> unread;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    stop_if_signalled();
    try {
      if (inputs[i].is_volume && !arguments.picture.slice) {
        predict_volume(arguments, inputs[i], asker);
      } else {
        predict_picture(arguments, inputs[i], asker);
      }
    } catch (const DataError& error) {
      if (inputs.size() == 1) throw;
      log_warning(error.what());  // the others do not suffer from it
      unread.push_back(inputs[i].file.filename().string());
    }
    if (inputs.size() > 1) progress.update(static_cast<std::int64_t>(i + 1), inputs[i].name);
  }
  progress.finish();
  if (!unread.empty()) {
    throw DataError(str_cat(unread.size(), " of ", inputs.size(),
                            " images could not be answered: ", join_first(unread, 5)));
  }
}

}  // namespace

void add_predict(Command& app) {
  auto arguments = std::make_shared<PredictArguments>();
  auto* command = app.add_subcommand(
      "predict", "Ask about images or volumes: words, one mask for every [SEG], an overlay");
  add_model_options(*command, arguments->model);
  command
      ->add_option("--image", arguments->images,
                   "image (PNG, JPEG, TIFF, BMP, DICOM), volume (NIfTI, NRRD, MetaImage), DICOM "
                   "series folder, or a folder of images; may be given several times")
      ->required();
  add_view_options(*command, arguments->picture);
  command->add_option("--slices", arguments->slices,
                      "of a volume: A:B asks about slices A to B-1, auto about those that show "
                      "something; without it all are asked about, one after another");
  command->add_flag("--consistent", arguments->consistent,
                    "keeps a piece of a volume's mask only where a neighbouring slice supports it");
  command->add_flag("--rtstruct", arguments->structures,
                    "of a DICOM series: contours as rtstruct.dcm, beside seg.dcm");
  command->add_option(
      "--mask-format", arguments->mask_format,
      join(choice_names<MaskVolumeFormat>(), " | ") + " for the masks of volumes; default: nii.gz");
  command
      ->add_option("--ask", arguments->questions, "a question; several are turns of one dialogue")
      ->one_each_time();
  command
      ->add_option("--out", arguments->out,
                   "folder for answer.json, overlay.png and mask-TURN-INDEX.png, of volumes "
                   "mask-TURN-INDEX.nii.gz on the scan's grid; of several images a folder each. "
                   "The same command again goes on where it was stopped")
      ->required();
  command->footer(
      "Example: medseg predict --model runs/demo/best --image head.nii.gz --slices auto --ask "
      "\"Which structure protects the brain?\" --out runs/answer");
  command->callback([arguments] { predict(*arguments); });
}

}  // namespace medseg
