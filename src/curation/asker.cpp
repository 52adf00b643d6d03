#include "medseg/curation/asker.h"

#include <algorithm>
#include <thread>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/random.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/curation/schema.h"

namespace medseg {
namespace {

using Clock = std::chrono::steady_clock;

/// A signal ends the wait.
void wait_until(Clock::time_point time) {
  while (Clock::now() < time) {
    stop_if_signalled();
    std::this_thread::sleep_until(std::min(time, Clock::now() + std::chrono::milliseconds(50)));
  }
  stop_if_signalled();
}

Clock::duration seconds(double s) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

/// The messages as the journal keeps them: a picture by its hash.
std::string journal_text(const nlohmann::ordered_json& messages) {
  nlohmann::ordered_json copy = messages;
  for (auto& message : copy) {
    if (!message["content"].is_array()) continue;
    for (auto& part : message["content"]) {
      if (part.contains("image_url"))
        part["image_url"]["url"] = "sha256:" + sha256(part["image_url"]["url"].get<std::string>());
    }
  }
  return copy.dump();
}

}  // namespace

Spending::Spending(AskLimits limits, const JournalTotals& before)
    : limits_(limits),
      tokens_(before.prompt_tokens + before.answer_tokens),
      price_(before.price),
      next_(Clock::now()) {}

void Spending::before_request() {
  Clock::time_point turn;
  {
    const std::lock_guard lock(mutex_);
    const auto used_up = [](const char* option, const std::string& what) {
      throw RunStopped(str_cat("the budget is used up: ", what, " (", option,
                               "); run the command again with a larger one to go on"));
    };
    if (limits_.requests_most > 0 && requests_ >= limits_.requests_most)
      used_up("--max-requests", str_cat(requests_, " requests"));
    if (limits_.tokens_most > 0 && tokens_ >= limits_.tokens_most)
      used_up("--max-tokens", str_cat(tokens_, " tokens"));
    if (limits_.price_most > 0 && price_ >= limits_.price_most)
      used_up("--max-price", "a price of " + fixed(price_, 4));
    ++requests_;
    turn = next_ = std::max(next_, Clock::now());
    if (limits_.requests_per_minute > 0) next_ += seconds(60 / limits_.requests_per_minute);
  }
  wait_until(turn);
}

void Spending::add(std::int64_t prompt_tokens, std::int64_t answer_tokens) {
  const std::lock_guard lock(mutex_);
  tokens_ += prompt_tokens + answer_tokens;
  price_ += price_of(prompt_tokens, answer_tokens);
}

Spending::Alone::Alone(Spending& spending, std::string key)
    : spending_(spending), key_(std::move(key)) {
  std::unique_lock lock(spending_.mutex_);
  spending_.landed_.wait(lock, [&] { return !spending_.in_flight_.contains(key_); });
  spending_.in_flight_.insert(key_);
}

Spending::Alone::~Alone() {
  const std::lock_guard lock(spending_.mutex_);
  spending_.in_flight_.erase(key_);
  spending_.landed_.notify_all();
}

double Spending::price_of(std::int64_t prompt_tokens, std::int64_t answer_tokens) const {
  return (static_cast<double>(prompt_tokens) * limits_.price_prompt +
          static_cast<double>(answer_tokens) * limits_.price_answer) /
         1e6;
}

Asker::Asker(Journal& journal, Spending& spending, ChatEndpoint* endpoint,
             const ChatOptions& options)
    : journal_(journal),
      spending_(spending),
      endpoint_(endpoint),
      body_maker_(options),
      model_(options.model) {}

nlohmann::json Asker::ask(const PromptStage& stage, const std::string& picture,
                          const nlohmann::ordered_json& messages,
                          const std::function<std::string(const nlohmann::json&)>& fault_of) {
  nlohmann::ordered_json talk = messages;
  std::string fault;
  for (int attempt = 0; attempt <= spending_.limits().repairs; ++attempt) {
    const std::string key = sha256(body_maker_.body_of(talk).dump());
    auto answer = journal_.find(key);
    if (!answer) {
      const Spending::Alone alone(spending_, key);
      answer = journal_.find(key);
      if (!answer) answer = fetch(stage, picture, talk, key);
    }
    const auto json = json_in_text(answer->text);
    fault = answer->finish == "length" ? "the answer was cut off; be shorter"
            : !json                    ? "the answer is no JSON object"
                                       : schema_fault(*json, stage.schema);
    if (fault.empty() && fault_of) fault = fault_of(*json);
    if (fault.empty()) return *json;
    talk.push_back({{"role", "assistant"}, {"content", answer->text}});
    talk.push_back(
        {{"role", "user"},
         {"content", "This cannot be used: " + fault +
                         ". Answer again, with the whole corrected JSON object alone."}});
  }
  throw SetAside(stage.stage, fault);
}

JournalAnswer Asker::fetch(const PromptStage& stage, const std::string& picture,
                           const nlohmann::ordered_json& messages, const std::string& key) {
  if (endpoint_ == nullptr) {
    throw DataError(picture, str_cat("the journal has no answer of stage \"", stage.stage,
                                     "\": it was made with another set, other prompts or another "
                                     "model, or is not finished"));
  }
  const auto& limits = spending_.limits();
  const JournalRequest request{key,           picture, stage.stage,
                               stage.version, model_,  journal_text(messages)};
  RandomStream jitter(0, "backoff/" + key);
  std::string last;
  for (int attempt = 0; attempt <= limits.retries; ++attempt) {
    spending_.before_request();
    const std::int64_t number = journal_.asked(request);
    const Stopwatch watch;
    const ChatReply reply = endpoint_->ask(messages, key);
    JournalAnswer answer{
        reply.status,        reply.text,
        reply.finish,        reply.prompt_tokens,
        reply.answer_tokens, spending_.price_of(reply.prompt_tokens, reply.answer_tokens),
        watch.seconds()};
    journal_.answered(number, answer);
    spending_.add(reply.prompt_tokens, reply.answer_tokens);
    if (reply.status == 200) return answer;
    last = reply.status > 0 ? str_cat("status ", reply.status, ", ", reply.text) : reply.text;
    if (!reply.passing) throw ConfigError("--endpoint", "refuses the request: " + last);
    const double backoff = std::min(
        limits.backoff_s * static_cast<double>(1 << std::min(attempt, 20)), limits.backoff_most_s);
    const double wait =
        std::max(backoff * (0.5 + jitter.uniform()), reply.retry_after_s.value_or(0));
    if (attempt < limits.retries) wait_until(Clock::now() + seconds(wait));
  }
  throw RunStopped(str_cat("the endpoint gave no answer in ", limits.retries + 1, " tries: ", last,
                           "; run the command again to go on"));
}

}  // namespace medseg
