#include <map>
#include <mutex>

#include "medseg/base/str.h"
#include "medseg/serving/api.h"

namespace medseg {

struct ServedCounts::Counts {
  mutable std::mutex mutex;
  std::map<int, std::int64_t> by_status;
  double seconds = 0, answer_seconds = 0;
  std::int64_t answers = 0, masks = 0, tokens = 0;
};

ServedCounts::ServedCounts() : counts_(std::make_unique<Counts>()) {}
ServedCounts::~ServedCounts() = default;

void ServedCounts::add_request(const HttpAccess& access) {
  const std::lock_guard<std::mutex> lock(counts_->mutex);
  ++counts_->by_status[access.status];
  counts_->seconds += access.seconds;
}

void ServedCounts::add_answers(const ServedAnswers& served) {
  const std::lock_guard<std::mutex> lock(counts_->mutex);
  for (const auto& asked : served.answered) {
    ++counts_->answers;
    counts_->masks += static_cast<std::int64_t>(asked.answer.masks.size());
    counts_->tokens += static_cast<std::int64_t>(asked.answer.ids.size());
    counts_->answer_seconds += asked.answer.seconds;
  }
}

std::string ServedCounts::text() const {
  const std::lock_guard<std::mutex> lock(counts_->mutex);
  std::string text;
  const auto head = [&](const char* name, const char* help) {
    text += str_cat("# HELP ", name, " ", help, "\n# TYPE ", name, " counter\n");
  };
  head("medseg_requests_total", "Requests that were answered, by status.");
  for (const auto& [status, count] : counts_->by_status)
    text += str_cat("medseg_requests_total{status=\"", status, "\"} ", count, "\n");
  const auto one = [&](const char* name, const char* help, const std::string& value) {
    head(name, help);
    text += str_cat(name, " ", value, "\n");
  };
  one("medseg_request_seconds_total", "Time of all requests.", fixed(counts_->seconds, 6));
  one("medseg_answers_total", "Questions that were answered.", str_cat(counts_->answers));
  one("medseg_masks_total", "Masks that were drawn.", str_cat(counts_->masks));
  one("medseg_tokens_total", "Tokens that were generated.", str_cat(counts_->tokens));
  one("medseg_answer_seconds_total", "Time of all answers.", fixed(counts_->answer_seconds, 6));
  return text;
}

}  // namespace medseg
