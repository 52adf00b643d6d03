#include "medseg/serving/chat_request.h"

#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "medseg/base/base64.h"
#include "medseg/base/str.h"
#include "medseg/http/message.h"

namespace medseg {
namespace {

using nlohmann::json;

constexpr int kDeepest = 16;  // levels of a body; ours has five
constexpr std::int64_t kMostTokens = 1 << 20;

[[noreturn]] void refuse(const std::string& where, const std::string& what) {
  throw HttpError(400, "invalid_request", where + ": " + what);
}

// nlohmann's parser is recursive in what it builds, not in depth of the call stack, but its values
// are freed level by level: depth is refused while it is read.
json parsed(const std::string& body) {
  bool too_deep = false;
  const auto depth_guard = [&](int depth, json::parse_event_t, json&) {
    too_deep = too_deep || depth > kDeepest;
    return !too_deep;
  };
  json value;
  try {
    value = json::parse(body, depth_guard);
  } catch (const json::parse_error& error) {
    refuse("body", str_cat("not JSON near byte ", error.byte));
  }
  if (too_deep) refuse("body", str_cat("nested more than ", kDeepest, " levels deep"));
  if (!value.is_object()) refuse("body", "expected a JSON object");
  return value;
}

std::string text_at(const json& object, const char* key, const std::string& where) {
  if (!object.contains(key) || object[key].is_null()) return "";
  if (!object[key].is_string()) refuse(where + key, "expected text, found " + object[key].dump());
  return object[key].get<std::string>();
}

std::int64_t count_at(const json& object, const char* key, std::int64_t least) {
  if (!object.contains(key) || object[key].is_null()) return 0;
  const auto& value = object[key];
  if (!value.is_number_integer() || value.get<std::int64_t>() < least ||
      value.get<std::int64_t>() > kMostTokens) {
    refuse(key, str_cat("expected a whole number from ", least, ", found ", value.dump()));
  }
  return value.get<std::int64_t>();
}

std::string bytes_of(const std::string& url, const std::string& where) {
  std::string encoded = url;
  if (url.starts_with("http://") || url.starts_with("https://") || url.starts_with("file:")) {
    throw HttpError(400, "remote_image",
                    where + ": an image is sent as a data URL; this server fetches nothing");
  }
  if (url.starts_with("data:")) {
    const auto comma = url.find(',');
    const auto head = url.substr(0, comma);
    if (comma == std::string::npos || !head.ends_with(";base64"))
      refuse(where, "expected data:image/png;base64,…");
    const auto type = head.substr(5, head.find(';') - 5);
    const std::set<std::string> others = {"", "application/octet-stream", "application/dicom",
                                          "application/gzip", "application/x-gzip"};
    if (!type.starts_with("image/") && !others.contains(type))
      throw HttpError(415, "image_type", where + ": \"" + type + "\" is no image");
    encoded = url.substr(comma + 1);
  }
  auto bytes = from_base64(encoded);
  if (!bytes) refuse(where, "not base64");
  if (bytes->empty()) refuse(where, "an image without bytes");
  return std::move(*bytes);
}

// The text of a message and the image that it holds, if any.
std::string read_content(const json& content, const std::string& where, ChatRequest& request) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) refuse(where, "expected text or a list of parts");
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < content.size(); ++i) {
    const auto& part = content[i];
    const auto place = str_cat(where, "[", i, "]");
    if (!part.is_object()) refuse(place, "expected an object");
    const auto type = text_at(part, "type", place + ".");
    if (type == "text") {
      texts.push_back(text_at(part, "text", place + "."));
    } else if (type == "image_url") {
      const auto found = part.find("image_url");
      if (found == part.end()) refuse(place + ".image_url", "missing");
      const auto url = found->is_object() ? text_at(*found, "url", place + ".image_url.")
                                          : text_at(part, "image_url", place + ".");
      SentImage image;
      image.bytes = bytes_of(url, place + ".image_url");
      if (request.image && request.image->bytes != image.bytes)
        refuse(place, "a second image: this model is asked about one");
      request.image = std::move(image);
    } else {
      refuse(place + ".type", "expected \"text\" or \"image_url\", found \"" + type + "\"");
    }
  }
  return join(texts, "\n");
}

void read_messages(const json& messages, ChatRequest& request) {
  bool asked = false;  // the last message read was a question
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const auto where = str_cat("messages[", i, "]");
    const auto& message = messages[i];
    if (!message.is_object()) refuse(where, "expected an object");
    const auto role = text_at(message, "role", where + ".");
    if (!message.contains("content")) refuse(where + ".content", "missing");
    auto text = trim(read_content(message["content"], where + ".content", request));
    if (role == "system" || role == "developer") {
      request.notes.push_back("the " + role +
                              " message does not apply: the bundle's template is "
                              "used as the model was trained with it");
    } else if (role == "user") {
      if (asked) refuse(where + ".role", "two questions behind each other; expected an answer");
      request.question = text;
      asked = true;
    } else if (role == "assistant") {
      if (!asked) refuse(where + ".role", "an answer without a question");
      request.history.push_back({request.question, text});
      asked = false;
    } else {
      refuse(where + ".role", "expected user, assistant or system, found \"" + role + "\"");
    }
  }
  if (!asked) refuse("messages", "the last message is no question of the user");
  if (request.question.empty()) refuse("messages", "the question is empty");
}

// What OpenAI's form has and a greedy answer has not.
void note_sampling(const json& body, ChatRequest& request) {
  if (body.contains("n") && body["n"] != 1) refuse("n", "one answer is given, it is greedy");
  for (const char* key : {"tools", "stop", "response_format", "functions"}) {
    if (body.contains(key) && !body[key].is_null() && !body[key].empty())
      refuse(key, "not supported");
  }
  for (const char* key :
       {"temperature", "top_p", "presence_penalty", "frequency_penalty", "seed"}) {
    if (!body.contains(key) || body[key].is_null()) continue;
    const bool greedy = std::string(key) == "temperature" && body[key] == 0;
    if (!greedy) request.notes.push_back(std::string(key) + " does not apply: answers are greedy");
  }
}

bool flag_at(const json& body, const char* key) {
  if (!body.contains(key) || body[key].is_null()) return false;
  if (!body[key].is_boolean()) refuse(key, "expected true or false, found " + body[key].dump());
  return body[key].get<bool>();
}

}  // namespace

ChatRequest read_chat_request(const std::string& text) {
  const auto body = parsed(text);
  if (!body.contains("messages") || !body["messages"].is_array() || body["messages"].empty())
    refuse("messages", "expected a list of messages");
  ChatRequest request;
  request.stream = flag_at(body, "stream");
  request.max_tokens =
      std::max(count_at(body, "max_tokens", 1), count_at(body, "max_completion_tokens", 1));
  note_sampling(body, request);
  read_messages(body["messages"], request);
  return request;
}

SegmentRequest read_segment_request(const std::string& text) {
  const auto body = parsed(text);
  const std::set<std::string> known = {"image",    "questions", "slice",     "axis",
                                       "modality", "window",    "max_tokens"};
  for (const auto& [key, value] : body.items()) {
    if (!known.contains(key)) refuse(key, "unknown key");
  }
  SegmentRequest request;
  const auto image = text_at(body, "image", "");
  if (image.empty()) refuse("image", "missing: a data URL or base64");
  request.image.bytes = bytes_of(image, "image");
  if (body.contains("slice") && !body["slice"].is_null())
    request.image.slice = count_at(body, "slice", 0);
  if (body.contains("axis")) request.image.axis = static_cast<int>(count_at(body, "axis", 0));
  if (request.image.axis > 2) refuse("axis", "expected 0, 1 or 2");
  request.image.modality = text_at(body, "modality", "");
  request.image.window = text_at(body, "window", "");
  request.max_tokens = count_at(body, "max_tokens", 1);
  if (!body.contains("questions") || !body["questions"].is_array() || body["questions"].empty())
    refuse("questions", "expected a list of questions");
  for (const auto& question : body["questions"]) {
    if (!question.is_string() || trim(question.get<std::string>()).empty())
      refuse("questions", "expected text, found " + question.dump());
    request.questions.push_back(trim(question.get<std::string>()));
  }
  return request;
}

}  // namespace medseg
