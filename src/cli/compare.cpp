#include <iostream>

#include "commands.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/evaluation/evaluated.h"
#include "medseg/evaluation/replay_predictions.h"
#include "medseg/report/protocol_text.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  fs::path first, second, manifest;
  std::string split;
  bool json = false;
};

std::vector<CaseRow> rows_of(const EvaluatedFolder& evaluation, const AskedSplit& asked) {
  return case_rows(
      Replay(replay_predictions(read_predictions(evaluation.predictions), asked.manifest,
                                asked.split, asked.partial, evaluation.predictions.parent_path())));
}

void compare(const CompareArguments& arguments) {
  const auto first = read_evaluated(arguments.first);
  const auto second = read_evaluated(arguments.second);
  const auto asked_first = open_asked(first, arguments.manifest, arguments.split);
  const auto asked_second = open_asked(second, arguments.manifest, arguments.split);
  if (asked_first.manifest.path() != asked_second.manifest.path() ||
      asked_first.split != asked_second.split) {
    log_warning(str_cat("different questions: ", asked_first.manifest.path().string(), " split ",
                        asked_first.split, " and ", asked_second.manifest.path().string(),
                        " split ", asked_second.split, "; records of the same id are compared"));
  }
  auto comparison = comparison_json(rows_of(first, asked_first), rows_of(second, asked_second));
  if (comparison.at("cases").at("both") == 0) {
    throw DataError(arguments.second.string(),
                    "no reference in common with " + arguments.first.string());
  }
  comparison["a"] = arguments.first.string();
  comparison["b"] = arguments.second.string();
  std::cout << (arguments.json ? comparison.dump() + "\n" : comparison_text(comparison));
}

}  // namespace

void add_compare(Command& app) {
  auto arguments = std::make_shared<CompareArguments>();
  auto* command = app.add_subcommand(
      "compare", "Two evaluations of the same records: paired tests, differences per target");
  command->add_option("a", arguments->first, "what evaluate wrote, or its predictions.jsonl")
      ->required();
  command->add_option("b", arguments->second, "another one")->required();
  command->add_option("--data", arguments->manifest,
                      "manifest.jsonl that both answered; without it those that their "
                      "evaluation.json name");
  command->add_option("--split", arguments->split,
                      "split that was asked; else that of evaluation.json, else test");
  command->add_flag("--json", arguments->json, "one JSON object");
  command->footer(
      "Example: medseg compare runs/a/test runs/b/test --data data/demo/manifest.jsonl "
      "--split test");
  command->callback([arguments] { compare(*arguments); });
}

}  // namespace medseg
