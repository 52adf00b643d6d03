/// \file
/// Bodies of POST /v1/chat/completions and /v1/segment, checked. The first is OpenAI's form (API
/// reference, "Chat completions"): an image is a data URL in `image_url`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "medseg/text/conversation.h"

namespace medseg {

/// An image file's bytes, as they came.
struct SentImage {
  std::string bytes;
  std::optional<std::int64_t> slice;  ///< of a volume
  int axis = 2;
  std::string modality, window;
};

struct ChatRequest {
  std::optional<SentImage> image;
  std::vector<Turn> history;  ///< earlier questions with their answers
  std::string question;
  std::int64_t max_tokens = 0;  ///< 0: what the bundle says
  bool stream = false;
  std::vector<std::string> notes;  ///< what was asked for and does not apply, one line each
};

/// \throws HttpError 400 naming the key that is wrong; code "remote_image" on a URL that would have
/// to be fetched, 415 "image_type" on a data URL that is no image.
ChatRequest read_chat_request(const std::string& body);

struct SegmentRequest {
  SentImage image;
  std::vector<std::string> questions;
  std::int64_t max_tokens = 0;
};

/// {"image": data URL or base64, "questions": […], "slice"?, "axis"?, "modality"?, "window"?,
/// "max_tokens"?}. \throws HttpError as above.
SegmentRequest read_segment_request(const std::string& body);

}  // namespace medseg
