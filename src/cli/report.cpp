#include <iostream>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/evaluation/evaluated.h"
#include "medseg/evaluation/evaluation_report.h"
#include "medseg/report/protocol_text.h"
#include "medseg/report/run_page.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct ReportArguments {
  std::vector<fs::path> folders;
  fs::path manifest;
  std::string split;
  std::size_t shown = 4;
};

bool is_evaluation(const fs::path& folder) {
  return !is_run_folder(folder) && fs::exists(folder / "predictions.jsonl");
}

void report_evaluations(const ReportArguments& arguments) {
  if (arguments.folders.size() > 2)
    throw ConfigError("report", "expected one evaluation or two beside each other");
  std::vector<EvaluationReport> reports;
  for (const auto& folder : arguments.folders) {
    const auto evaluation = read_evaluated(folder);
    if (arguments.manifest.empty() && evaluation.facts.manifest.empty()) {
      throw ConfigError("--data",
                        "missing; the manifest that was asked, for references and pictures "
                        "(`medseg table` shows these scores without it)");
    }
    const auto asked = open_asked(evaluation, arguments.manifest, arguments.split);
    reports.push_back(report_evaluation(folder, asked.manifest, asked.split, arguments.shown));
    reports.back().facts = evaluation.facts;
  }
  nlohmann::ordered_json comparison;
  if (reports.size() == 2) comparison = comparison_json(reports[0].rows, reports[1].rows);
  const fs::path page = arguments.folders.front() / "report.html";
  write_file(page, evaluation_page(reports, comparison));
  std::cout << page.string() << "\n";
}

void report(const ReportArguments& arguments) {
  if (is_evaluation(arguments.folders.front())) {
    report_evaluations(arguments);
    return;
  }
  for (const auto& folder : arguments.folders) {
    write_run_page(folder);
    std::cout << (folder / "run.html").string() << "\n";
  }
}

}  // namespace

void add_report(Command& app) {
  auto arguments = std::make_shared<ReportArguments>();
  auto* command = app.add_subcommand(
      "report",
      "One HTML file of a run (curves, scores, answers, facts, config) or of an evaluation "
      "(intervals, targets, worst to best cases), or of two evaluations beside each other");
  command
      ->add_option("folders", arguments->folders,
                   "run folder: run.html is written into it; or what evaluate wrote: report.html "
                   "is written into the first")
      ->required();
  command->add_option(
      "--data", arguments->manifest,
      "of an evaluation: manifest.jsonl; without it the one that evaluation.json names");
  command->add_option(
      "--split", arguments->split,
      "of an evaluation: split that was asked; else that of evaluation.json, else test");
  command->add_option("--cases", arguments->shown,
                      "of an evaluation: cases with pictures in each of worst, median and best");
  command->footer(
      "Example: medseg report runs/demo\n"
      "         medseg report runs/demo/test --data data/demo/manifest.jsonl");
  command->callback([arguments] { report(*arguments); });
}

}  // namespace medseg
