/// \file
/// An endpoint that speaks OpenAI's chat completions: one request, one reply. Over https, or over
/// http to this machine alone. The secret goes into one header and nowhere else.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace medseg {

struct ChatOptions {
  std::string url;  ///< up to "/v1"; "/chat/completions" is added where it is not there
  std::string model;
  std::string key;  ///< the secret; "" for none
  double temperature = 0;
  std::int64_t answer_tokens_most = 2000;
  double connect_s = 20;
  double request_s = 300;
};

struct ChatReply {
  int status = 0;      ///< of HTTP; 0 where no whole reply came
  std::string text;    ///< the model's words; of a failure what is known, without the secret
  std::string finish;  ///< "stop", "length", …
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
  std::optional<double> retry_after_s;
  /// The same request may succeed later: nothing came, 408, 425, 429, 5xx, or a reply that is cut
  /// or no JSON.
  bool passing = false;
};

/// Used by one thread at a time.
class ChatEndpoint {
 public:
  /// \throws ConfigError on a URL that is neither https nor http on loopback, or holds a user name.
  explicit ChatEndpoint(ChatOptions options);
  ~ChatEndpoint();
  ChatEndpoint(const ChatEndpoint&) = delete;
  ChatEndpoint& operator=(const ChatEndpoint&) = delete;

  /// The body that `ask` sends.
  nlohmann::ordered_json body_of(const nlohmann::ordered_json& messages) const;

  /// `idempotency_key` goes along, so that an endpoint may answer a request that it has seen before
  /// without charging for it. Never throws for what the other side does.
  ChatReply ask(const nlohmann::ordered_json& messages, const std::string& idempotency_key);

 private:
  struct Handle;
  ChatOptions options_;
  std::unique_ptr<Handle> handle_;
};

/// Seconds of a Retry-After header: a number, or an HTTP date as seen at `now` (Unix seconds).
std::optional<double> retry_after_seconds(const std::string& value, std::int64_t now);

}  // namespace medseg
