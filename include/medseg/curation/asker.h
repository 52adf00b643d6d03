/// \file
/// Asks an endpoint so that nothing is paid for twice: journal first, then the network, with
/// budgets, patience for an endpoint that fails for a while, and a second chance for answers of the
/// wrong form.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

#include "medseg/curation/chat_endpoint.h"
#include "medseg/curation/journal.h"
#include "medseg/curation/prompt_stage.h"

namespace medseg {

struct AskLimits {
  int retries = 8;       ///< of one request that fails for reasons that pass
  double backoff_s = 1;  ///< before the first of them; doubled each time
  double backoff_most_s = 60;
  int repairs = 2;                 ///< answers of the wrong form that are asked for again
  double requests_per_minute = 0;  ///< 0: no limit
  std::int64_t requests_most = 0;  ///< of this run; 0: no limit
  std::int64_t tokens_most = 0;    ///< of the whole journal; 0: no limit
  double price_most = 0;           ///< of the whole journal; 0: no limit
  double price_prompt = 0, price_answer = 0;  ///< of a million tokens
};

/// What the workers of one run have spent together.
class Spending {
 public:
  Spending(AskLimits limits, const JournalTotals& before);
  const AskLimits& limits() const { return limits_; }
  /// Waits for its turn. \throws RunStopped where a budget is used up, Interrupted on a signal.
  void before_request();
  void add(std::int64_t prompt_tokens, std::int64_t answer_tokens);

  /// Two pictures may need the same request at once: the second waits until the first has its
  /// answer, and finds it in the journal.
  class Alone {
   public:
    Alone(Spending& spending, std::string key);
    ~Alone();
    Alone(const Alone&) = delete;
    Alone& operator=(const Alone&) = delete;

   private:
    Spending& spending_;
    std::string key_;
  };
  double price_of(std::int64_t prompt_tokens, std::int64_t answer_tokens) const;

 private:
  AskLimits limits_;
  std::mutex mutex_;
  std::int64_t requests_ = 0, tokens_ = 0;
  double price_ = 0;
  std::chrono::steady_clock::time_point next_;
  std::set<std::string> in_flight_;
  std::condition_variable landed_;
};

/// The model gave no usable answer; the picture goes on without this dialogue.
class SetAside : public std::runtime_error {
 public:
  SetAside(std::string stage_name, const std::string& reason)
      : std::runtime_error(reason), stage(std::move(stage_name)) {}
  std::string stage;
};

/// One worker's way to the endpoint. Used by one thread.
class Asker {
 public:
  /// `endpoint` is nullptr to replay: then the journal has every answer, or it is an error.
  Asker(Journal& journal, Spending& spending, ChatEndpoint* endpoint, const ChatOptions& options);

  /// The model's JSON. `fault_of` may find further faults ("" for none); they are told to the model
  /// like those of the schema. \throws SetAside after the last repair; RunStopped where the
  /// endpoint stays silent or a budget is used up; ConfigError where it refuses the request;
  /// DataError where a replayed journal has no answer.
  nlohmann::json ask(const PromptStage& stage, const std::string& picture,
                     const nlohmann::ordered_json& messages,
                     const std::function<std::string(const nlohmann::json&)>& fault_of = {});

 private:
  JournalAnswer fetch(const PromptStage& stage, const std::string& picture,
                      const nlohmann::ordered_json& messages, const std::string& key);

  Journal& journal_;
  Spending& spending_;
  ChatEndpoint* endpoint_;
  ChatEndpoint body_maker_;
  std::string model_;
};

}  // namespace medseg
