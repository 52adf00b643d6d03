#include "medseg/curation/chat_endpoint.h"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <mutex>

#include <curl/curl.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/http/server.h"

namespace medseg {
namespace {

constexpr std::size_t kReplyBytes = 16 << 20;
constexpr std::size_t kShownBytes = 300;

struct Received {
  std::string body;
  std::string retry_after;
};

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* to) {
  auto& received = *static_cast<Received*>(to);
  if (received.body.size() + size * count > kReplyBytes) return 0;
  received.body.append(bytes, size * count);
  return size * count;
}

std::size_t take_header(char* bytes, std::size_t size, std::size_t count, void* to) {
  std::string line(bytes, size * count);
  std::string name = line.substr(0, line.find(':'));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (name == "retry-after")
    static_cast<Received*>(to)->retry_after = trim(line.substr(name.size() + 1));
  return size * count;
}

void check_url(const std::string& url) {
  const auto fail = [&](const std::string& why) { throw ConfigError("--endpoint", why); };
  std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK)
    fail("\"" + url + "\" is no URL; expected one such as https://host/v1");
  const auto part = [&](CURLUPart which) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), which, &text, 0) != CURLUE_OK) return std::string();
    std::string copy(text);
    curl_free(text);
    return copy;
  };
  if (!part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty())
    fail("a user name or password in the URL; expected --key-env");
  const std::string scheme = part(CURLUPART_SCHEME);
  std::string host = part(CURLUPART_HOST);
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (scheme == "https" || (scheme == "http" && is_loopback(host))) return;
  if (scheme == "http") fail("http to \"" + host + "\": another machine needs https");
  fail("\"" + scheme + "\" is not spoken; expected https, or http to this machine");
}

std::string short_text(std::string text, const std::string& secret) {
  for (auto at = text.find(secret); !secret.empty() && at != std::string::npos;
       at = text.find(secret, at))
    text.replace(at, secret.size(), "***");
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20; }, ' ');
  return text.size() > kShownBytes ? text.substr(0, kShownBytes) + " …" : text;
}

bool is_passing(int status) {
  return status == 408 || status == 425 || status == 429 || status >= 500;
}

void read_completion(const std::string& body, ChatReply& reply) {
  const auto json = nlohmann::json::parse(body, nullptr, false);
  const auto fault = [&](const std::string& what) {
    reply.status = 0;
    reply.passing = true;
    reply.text = what;
  };
  if (json.is_discarded()) return fault("the reply is no whole JSON");
  const auto choices = json.is_object() ? json.find("choices") : json.end();
  if (!json.is_object() || choices == json.end() || !choices->is_array() || choices->empty() ||
      !(*choices)[0].is_object())
    return fault("the reply has no \"choices\"");
  const auto& choice = (*choices)[0];
  const auto message = choice.value("message", nlohmann::json::object());
  const auto content = message.is_object() ? message.value("content", nlohmann::json()) : nullptr;
  reply.text = content.is_string() ? content.get<std::string>() : "";
  if (const auto finish = choice.find("finish_reason");
      finish != choice.end() && finish->is_string())
    reply.finish = finish->get<std::string>();
  const auto usage = json.value("usage", nlohmann::json::object());
  const auto tokens = [&](const char* key) {
    const auto found = usage.is_object() ? usage.find(key) : usage.end();
    return usage.is_object() && found != usage.end() && found->is_number_unsigned()
               ? found->get<std::int64_t>()
               : 0;
  };
  reply.prompt_tokens = tokens("prompt_tokens");
  reply.answer_tokens = tokens("completion_tokens");
}

}  // namespace

struct ChatEndpoint::Handle {
  CURL* curl = curl_easy_init();
  ~Handle() { curl_easy_cleanup(curl); }
};

ChatEndpoint::ChatEndpoint(ChatOptions options) : options_(std::move(options)) {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  check_url(options_.url);
  static constexpr std::string_view path = "/chat/completions";
  while (options_.url.ends_with("/")) options_.url.pop_back();
  if (!options_.url.ends_with(path)) options_.url += path;
  handle_ = std::make_unique<Handle>();
}

ChatEndpoint::~ChatEndpoint() = default;

nlohmann::ordered_json ChatEndpoint::body_of(const nlohmann::ordered_json& messages) const {
  return {{"model", options_.model},
          {"messages", messages},
          {"temperature", options_.temperature},
          {"max_tokens", options_.answer_tokens_most},
          {"response_format", {{"type", "json_object"}}}};
}

ChatReply ChatEndpoint::ask(const nlohmann::ordered_json& messages,
                            const std::string& idempotency_key) {
  const std::string body = body_of(messages).dump();
  CURL* curl = handle_->curl;
  curl_easy_reset(curl);
  Received received;
  const std::string key_header = "Idempotency-Key: " + idempotency_key;
  const std::string secret_header = "Authorization: Bearer " + options_.key;
  curl_slist* headers = nullptr;
  headers = curl_slist_append(headers, "Content-Type: application/json");
  headers = curl_slist_append(headers, key_header.c_str());
  headers = curl_slist_append(headers, "Expect:");
  if (!options_.key.empty()) headers = curl_slist_append(headers, secret_header.c_str());
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> owned(headers,
                                                                          curl_slist_free_all);
  curl_easy_setopt(curl, CURLOPT_URL, options_.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);  // the secret stays with this host
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &received);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &received);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(1000 * options_.connect_s));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(1000 * options_.request_s));
  if (options_.url.starts_with("http:")) curl_easy_setopt(curl, CURLOPT_PROXY, "");
  const CURLcode code = curl_easy_perform(curl);
  ChatReply reply;
  if (code != CURLE_OK) {
    reply.passing = true;
    reply.text = curl_easy_strerror(code);
    return reply;
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  if (status == 200) {
    read_completion(received.body, reply);
    return reply;
  }
  reply.passing = is_passing(reply.status);
  reply.text = short_text(received.body, options_.key);
  reply.retry_after_s = retry_after_seconds(received.retry_after, std::time(nullptr));
  return reply;
}

std::optional<double> retry_after_seconds(const std::string& value, std::int64_t now) {
  if (value.empty()) return std::nullopt;
  if (std::all_of(value.begin(), value.end(), [](unsigned char c) { return std::isdigit(c) != 0; }))
    return value.size() > 9 ? 1e9 : std::stod(value);
  const auto date = curl_getdate(value.c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::max<double>(0, static_cast<double>(date - now));
}

}  // namespace medseg
