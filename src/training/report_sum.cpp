#include "medseg/training/report_sum.h"

#include <nlohmann/json.hpp>

namespace medseg {

void sum_reports(StepReport& report, Comm& comm) {
  if (comm.is_alone()) return;
  // Sums are finite by now: what was not is the fault. JSON keeps every bit of a double.
  const nlohmann::json own = {
      {"losses",
       {report.total, report.text, report.bce, report.dice, report.focal, report.boundary}},
      {"counts", {report.tokens, report.labelled, report.masks, report.samples}},
      {"ids", report.ids},
      {"fault", report.fault}};
  StepReport whole;
  for (const auto& text :
       comm.all_gather(own.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))) {
    const auto part = nlohmann::json::parse(text);
    const auto losses = part["losses"].get<std::vector<double>>();
    const auto counts = part["counts"].get<std::vector<std::int64_t>>();
    whole.total += losses[0];
    whole.text += losses[1];
    whole.bce += losses[2];
    whole.dice += losses[3];
    whole.focal += losses[4];
    whole.boundary += losses[5];
    whole.tokens += counts[0];
    whole.labelled += counts[1];
    whole.masks += counts[2];
    whole.samples += counts[3];
    const auto ids = part["ids"].get<std::vector<std::string>>();
    whole.ids.insert(whole.ids.end(), ids.begin(), ids.end());
    if (whole.fault.empty()) whole.fault = part["fault"].get<std::string>();
  }
  report = std::move(whole);
}

}  // namespace medseg
