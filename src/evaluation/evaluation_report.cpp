#include "medseg/evaluation/evaluation_report.h"

#include <map>

#include "medseg/evaluation/replay_predictions.h"
#include "medseg/evaluation/shown_answers.h"

namespace medseg {
namespace {

using ByTurn = std::map<std::pair<std::string, int>, const Prediction*>;

std::vector<ShownCase> shown_cases(const std::vector<std::size_t>& chosen,
                                   const std::vector<CaseRow>& rows, const ByTurn& predictions,
                                   const Manifest& manifest) {
  std::vector<ShownCase> cases;
  for (const auto position : chosen) {
    const CaseRow& row = rows[position];
    auto answer = shown_answer(*predictions.at({row.id, row.turn}), manifest);
    cases.push_back({row, std::move(answer.question), std::move(answer.expected),
                     std::move(answer.answer), std::move(answer.picture)});
  }
  return cases;
}

}  // namespace

EvaluationReport report_evaluation(const std::filesystem::path& folder, const Manifest& manifest,
                                   const std::string& split, std::size_t shown) {
  const auto predictions = read_predictions(folder / "predictions.jsonl");
  const Replay replay(replay_predictions(predictions, manifest, split, /*partial=*/true, folder));
  EvaluationReport report;
  report.name = folder.string();
  report.strict = score_by(protocol_named("strict"), replay);
  report.lisa = score_by(protocol_named("lisa"), replay);
  report.rows = case_rows(replay);
  report.scored = scored_masks(replay);
  ByTurn by_turn;
  for (const auto& prediction : predictions)
    by_turn[{prediction.id, prediction.turn}] = &prediction;
  const ChosenCases chosen = choose_cases(report.rows, shown);
  report.worst = shown_cases(chosen.worst, report.rows, by_turn, manifest);
  report.median = shown_cases(chosen.median, report.rows, by_turn, manifest);
  report.best = shown_cases(chosen.best, report.rows, by_turn, manifest);
  return report;
}

}  // namespace medseg
