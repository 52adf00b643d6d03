#include "medseg/serving/asked_model.h"

#include <mutex>

#include <ATen/ATen.h>

#include "medseg/http/message.h"
#include "medseg/nn/autocast.h"
#include "sent_image.h"

namespace medseg {

class AskedModel::Work {
 public:
  explicit Work(const ModelOptions& options) : options_(options), bundle_(open_model(options)) {}

  ServedAnswers chat(const ChatRequest& request,
                     const std::function<bool(const std::string&)>& on_text) {
    ServedAnswers served;
    if (request.image) served.shown = read_sent_image(*request.image);
    const std::lock_guard<std::mutex> turn(mutex_);
    auto dialogue = begin(request.image ? &served.shown.image : nullptr, request.max_tokens);
    for (const auto& earlier : request.history)
      dialogue->remember(earlier.question, earlier.answer);
    served.answered.push_back({request.question, ask(*dialogue, request.question, on_text)});
    return served;
  }

  ServedAnswers segment(const SegmentRequest& request) {
    ServedAnswers served;
    served.shown = read_sent_image(request.image);
    const std::lock_guard<std::mutex> turn(mutex_);
    auto dialogue = begin(&served.shown.image, request.max_tokens);
    for (const auto& question : request.questions)
      served.answered.push_back({question, ask(*dialogue, question, {})});
    return served;
  }

 private:
  std::unique_ptr<Dialogue> begin(const Image* image, std::int64_t max_tokens) {
    const AutocastScope autocast(bundle_.model->device().type(), options_.dtype());
    auto generation = options_.generation(bundle_);
    if (max_tokens > 0) generation.max_new_tokens = std::min(generation.max_new_tokens, max_tokens);
    const bool sees = bundle_.model->has_vision();
    if (sees && image == nullptr) {
      throw HttpError(400, "image_missing",
                      "messages: this model is asked about an image; send one as a data URL in "
                      "image_url");
    }
    if (!sees && image != nullptr)
      throw HttpError(400, "no_vision", "messages: this model sees no images");
    std::shared_ptr<const ImageFeatures> features;
    if (image != nullptr) {
      features = std::make_shared<const ImageFeatures>(
          encode_image(*image, *bundle_.model, bundle_.options, options_.dtype()));
    }
    return std::make_unique<Dialogue>(bundle_, features, generation);
  }

  Answer ask(Dialogue& dialogue, const std::string& question,
             const std::function<bool(const std::string&)>& on_text) {
    const AutocastScope autocast(bundle_.model->device().type(), options_.dtype());
    try {
      if (!on_text) return dialogue.ask(question);
      return dialogue.ask(question, [&](const std::string& text) {
        if (!on_text(text)) throw Stopped{};
      });
    } catch (const DataError& error) {
      throw HttpError(400, "bad_dialogue", error.what());
    }
  }

  ModelOptions options_;
  OpenBundle bundle_;
  std::mutex mutex_;  // one answer takes all threads of the machine
};

AskedModel::AskedModel(const ModelOptions& options)
    : work_(std::make_unique<Work>(options)),
      name_(std::filesystem::absolute(options.bundle).lexically_normal().filename().string()) {
  if (name_.empty())
    name_ = std::filesystem::absolute(options.bundle).parent_path().filename().string();
}

AskedModel::~AskedModel() = default;

ServedAnswers AskedModel::chat(const ChatRequest& request,
                               const std::function<bool(const std::string&)>& on_text) {
  return work_->chat(request, on_text);
}

ServedAnswers AskedModel::segment(const SegmentRequest& request) { return work_->segment(request); }

}  // namespace medseg
