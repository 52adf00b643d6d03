#include "medseg/training/report_sum.h"

#include <array>

#include <nlohmann/json.hpp>

namespace medseg {
namespace {

constexpr std::array kLosses = {&StepReport::total, &StepReport::text,  &StepReport::bce,
                                &StepReport::dice,  &StepReport::focal, &StepReport::boundary};
constexpr std::array kCounts = {&StepReport::tokens, &StepReport::labelled, &StepReport::masks,
                                &StepReport::samples};

// JSON keeps every bit of a finite double. Losses are finite here: one that is not is the fault.
std::string encoded(const StepReport& report) {
  nlohmann::json json = {{"ids", report.ids}, {"fault", report.fault}};
  for (const auto loss : kLosses) json["losses"].push_back(report.*loss);
  for (const auto count : kCounts) json["counts"].push_back(report.*count);
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void add(const nlohmann::json& part, StepReport& whole) {
  for (std::size_t i = 0; i < kLosses.size(); ++i)
    whole.*kLosses[i] += part["losses"][i].get<double>();
  for (std::size_t i = 0; i < kCounts.size(); ++i)
    whole.*kCounts[i] += part["counts"][i].get<std::int64_t>();
  const auto ids = part["ids"].get<std::vector<std::string>>();
  whole.ids.insert(whole.ids.end(), ids.begin(), ids.end());
  if (whole.fault.empty()) whole.fault = part["fault"].get<std::string>();
}

}  // namespace

void sum_reports(StepReport& report, Comm& comm) {
  if (comm.is_alone()) return;
  StepReport whole;
  for (const auto& text : comm.all_gather(encoded(report))) add(nlohmann::json::parse(text), whole);
  report = std::move(whole);
}

}  // namespace medseg
