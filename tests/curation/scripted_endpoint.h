/// \file
/// An endpoint in the test's own process that answers as a language model would, and fails on
/// request.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/curation/schema.h"
#include "medseg/http/server.h"

namespace medseg {

class ScriptedEndpoint {
 public:
  /// Looks at the request's number (from 1) and stage; nothing lets the model answer.
  using Script = std::function<std::optional<HttpReply>(int number, const std::string& stage,
                                                        const nlohmann::json& body)>;

  explicit ScriptedEndpoint(Script script = {}) : script_(std::move(script)) {
    Router router;
    router.add("POST", "/v1/chat/completions",
               [this](const HttpRequest& request) { return answer(request); });
    HttpOptions options;
    options.port = 0;
    server_ = std::make_unique<HttpServer>(options, std::move(router));
  }

  std::string url() const { return server_->url() + "/v1"; }
  int port() const { return server_->port(); }

  int requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  /// How often each request was answered well.
  std::map<std::string, int> answered() {
    const std::lock_guard lock(mutex_);
    return answered_;
  }
  std::vector<std::string> secrets() {
    const std::lock_guard lock(mutex_);
    return secrets_;
  }
  std::vector<nlohmann::json> bodies() {
    const std::lock_guard lock(mutex_);
    return bodies_;
  }

  /// A chat completion with these words.
  static HttpReply says(const std::string& words, const std::string& finish = "stop") {
    HttpReply reply;
    reply.body = nlohmann::json{{"choices",
                                 {{{"message", {{"role", "assistant"}, {"content", words}}},
                                   {"finish_reason", finish}}}},
                                {"usage", {{"prompt_tokens", 100}, {"completion_tokens", 20}}}}
                     .dump();
    return reply;
  }
  static HttpReply fails(int status,
                         std::vector<std::pair<std::string, std::string>> headers = {}) {
    HttpReply reply = error_reply(status, "scripted", "as the script says");
    reply.headers = std::move(headers);
    return reply;
  }

 private:
  static std::string text_of(const nlohmann::json& message) {
    const auto& content = message.at("content");
    return content.is_string() ? content.get<std::string>()
                               : content.at(1).at("text").get<std::string>();
  }

  static std::string stage_of(const std::string& user) {
    for (const auto& [stage, words] :
         std::map<std::string, std::string>{{"describe", "two descriptions"},
                                            {"filter", "Descriptions by a colleague"},
                                            {"questions", "Checked descriptions"},
                                            {"answers", "Answer each in one"},
                                            {"dialogue", "Write a dialogue"},
                                            {"check", "would a physician speak so"}}) {
      if (user.find(words) != std::string::npos) return stage;
    }
    return "";
  }

  HttpReply answer(const HttpRequest& request) {
    const auto body = nlohmann::json::parse(request.body);
    const std::string user = text_of(body.at("messages").at(1));
    const std::string stage = stage_of(user);
    int number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = ++requests_;
      secrets_.push_back(request.header("authorization"));
      bodies_.push_back(body);
    }
    if (script_) {
      if (auto scripted = script_(number, stage, body)) return std::move(*scripted);
    }
    const std::lock_guard lock(mutex_);
    ++answered_[request.header("idempotency-key")];
    return says(words_of_model(stage, user));
  }

  static std::string words_of_model(const std::string& stage, const std::string& user) {
    const auto facts = json_in_text(user).value();
    nlohmann::json said;
    for (const auto& mask : facts.at("masks")) {
      const std::string id = mask.at("id"), label = mask.at("label");
      const std::string share = mask.at("percent_of_picture").dump();
      const std::string question = "Which structure in the " +
                                   mask.at("position_in_picture").get<std::string>() +
                                   " part of the picture covers " + share + " percent of it?";
      const std::string answer =
          "By its size this is the <p> " + label + " </p> [SEG] of the patient.";
      if (stage == "describe" || stage == "filter") {
        const nlohmann::json both = {{"short", "a part of the body"},
                                     {"long", "a part of the body"}};
        said["descriptions"].push_back({{"id", id}, {"attribute", both}, {"location", both}});
      } else if (stage == "questions") {
        said["questions"].push_back({{"id", id}, {"kind", "location"}, {"question", question}});
      } else if (stage == "answers") {
        said["answers"].push_back(
            {{"id", id}, {"kind", "location"}, {"question", question}, {"answer", answer}});
      } else if (stage == "dialogue") {
        said["turns"].push_back({{"kind", "location"},
                                 {"question", question},
                                 {"answer", answer},
                                 {"targets", {id}},
                                 {"absent", nlohmann::json::array()}});
        said["turns"].push_back(
            {{"kind", "follow_up"},
             {"question", "How much of the picture does it cover?"},
             {"answer", "The <p> " + label + " </p> [SEG] covers " + share + " percent of it."},
             {"targets", {id}},
             {"absent", nlohmann::json::array()}});
      }
    }
    if (stage == "check") said = {{"agree", true}, {"reason", ""}};
    return "```json\n" + said.dump() + "\n```";
  }

  Script script_;
  std::mutex mutex_;
  int requests_ = 0;
  std::map<std::string, int> answered_;
  std::vector<std::string> secrets_;
  std::vector<nlohmann::json> bodies_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace medseg
