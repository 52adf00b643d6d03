/// \file
/// An opened model that several clients ask: one answer at a time, in the order of their turn.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "medseg/generation/answer_files.h"
#include "medseg/generation/open_model.h"
#include "medseg/serving/chat_request.h"

namespace medseg {

/// An image as it was shown to the model, and the answers about it.
struct ServedAnswers {
  RecordImage shown;  ///< without pixels where no image was sent
  std::vector<AnsweredQuestion> answered;
};

/// Thread-safe.
class AskedModel {
 public:
  /// \throws as open_model.
  explicit AskedModel(const ModelOptions& options);
  ~AskedModel();

  /// The folder's name: what clients call the model.
  const std::string& name() const { return name_; }

  /// The answer to the last question. `on_text` gets words as they come; it ends the work by
  /// returning false. \throws HttpError 400 on an image that cannot be read, a model that needs
  /// one, a dialogue that is too long; Stopped if `on_text` ended it.
  ServedAnswers chat(const ChatRequest& request,
                     const std::function<bool(const std::string&)>& on_text = {});
  ServedAnswers segment(const SegmentRequest& request);

  struct Stopped {};

 private:
  class Work;
  std::unique_ptr<Work> work_;
  std::string name_;
};

}  // namespace medseg
