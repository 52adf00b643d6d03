#include <algorithm>
#include <iostream>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/evaluation/evaluated.h"
#include "medseg/evaluation/replay_predictions.h"
#include "medseg/report/protocol_text.h"
#include "medseg/report/runs_table.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct TableArguments {
  std::vector<std::string> folders;
  std::string format = "markdown", protocol = "lisa";
  std::vector<std::string> metrics;
  fs::path reference, manifest;
  std::string split;
};

const std::vector<std::pair<std::string, std::string>> kBaselines = {
    {"mean_mask", "mean mask"}, {"nearest_slice", "nearest slice"}, {"true_box", "true box"}};

json read_json(const fs::path& path) {
  return raised_as<DataError>([&] { return parse_json(read_file(path), path.string()); });
}

// One object, or the lines of `score --json`.
std::vector<json> read_scores(const fs::path& path) {
  std::vector<json> objects;
  const std::string text = read_file(path);
  const auto lines = split(trim(text), '\n');
  const bool of_lines = lines.size() > 1 && json::accept(lines[0]);
  for (std::size_t i = 0; of_lines && i < lines.size(); ++i) {
    objects.push_back(raised_as<DataError>(
        [&] { return parse_json(lines[i], str_cat(path.string(), ":", i + 1)); }));
  }
  if (!of_lines) objects.push_back(read_json(path));
  for (const auto& object : objects) {
    if (!object.is_object() || !object.contains("metrics"))
      throw DataError(path.string(), "no scores, expected an object with \"metrics\"");
  }
  return objects;
}

// Of the asked protocol; scores that name none are taken for it.
json saved_scores(const fs::path& path, const std::string& protocol) {
  std::vector<std::string> found;
  for (const auto& object : read_scores(path)) {
    const std::string name = object.value("protocol", protocol);
    if (name == protocol) return object;
    found.push_back(name);
  }
  throw DataError(path.string(), "no scores of protocol " + protocol + ", found " +
                                     join(found, ", ") + "; name one with --protocol");
}

// Scored again where the manifest is known, which gives intervals; else what was saved.
json scores_of(const EvaluatedFolder& evaluation, const TableArguments& arguments) {
  const bool known = !arguments.manifest.empty() ||
                     (evaluation.described && fs::exists(evaluation.facts.manifest));
  if (!known || !fs::exists(evaluation.predictions))
    return saved_scores(evaluation.folder / "scores.json", arguments.protocol);
  const auto asked = open_asked(evaluation, arguments.manifest, arguments.split);
  const Replay replay(replay_predictions(read_predictions(evaluation.predictions), asked.manifest,
                                         asked.split, asked.partial,
                                         evaluation.predictions.parent_path()));
  return json(protocol_json(score_by(protocol_named(arguments.protocol), replay)));
}

void add_baselines(const fs::path& file, const std::string& benchmark, const std::string& protocol,
                   std::vector<BenchmarkScores>& entries) {
  const json baselines = read_json(file);
  if (!baselines.is_object()) throw DataError(file.string(), "expected an object of scores");
  for (const auto& [key, scores] : baselines.items()) {
    if (!scores.is_object() || !scores.contains("metrics"))
      throw DataError(file.string(), key + ": no scores, expected an object with \"metrics\"");
    if (scores.value("protocol", protocol) != protocol) {
      log_warning(file.string() + ": " + key + " has no scores of protocol " + protocol +
                  ": left out");
      continue;
    }
    const auto title =
        std::find_if(kBaselines.begin(), kBaselines.end(),
                     [name = key](const auto& known) { return known.first == name; });
    const std::string run = title == kBaselines.end() ? key : title->second;
    const bool there = std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.run == run && entry.benchmark == benchmark;
    });
    if (!there) entries.push_back({run, benchmark, scores, RowKind::kBaseline, "", {}});
  }
}

// What else than the model tells two runs apart.
std::string conditions(const ReportedFacts& facts) {
  return join({facts.mode, facts.history, facts.seed, facts.decoding, facts.precision}, "\n");
}

// "NAME=FOLDER" names the row.
std::pair<std::string, fs::path> named_folder(const std::string& text) {
  const auto equal = text.find('=');
  if (equal == std::string::npos || equal == 0 || fs::exists(text)) return {"", text};
  return {text.substr(0, equal), text.substr(equal + 1)};
}

// The same model asked in the same way is one row, whatever the benchmark; a second evaluation of
// the same cell is a row of its own.
std::string row_of(const std::string& name, const EvaluatedFolder& evaluation,
                   const std::string& benchmark, const std::vector<BenchmarkScores>& entries) {
  const std::string own = evaluation.folder.string();
  const std::string wanted = !name.empty()              ? name
                             : evaluation.model.empty() ? own
                                                        : evaluation.model;
  const auto differs = [&](const std::string& run) {
    return std::any_of(entries.begin(), entries.end(), [&](const auto& entry) {
      if (entry.run != run || entry.kind != RowKind::kRun) return false;
      return entry.benchmark == benchmark ||
             (name.empty() && conditions(entry.facts) != conditions(evaluation.facts));
    });
  };
  if (!differs(wanted)) return wanted;
  if (!evaluation.facts.seed.empty()) {
    const std::string seeded = wanted + ", seed " + evaluation.facts.seed;
    if (!differs(seeded)) return seeded;
  }
  return wanted + ", " + own;
}

void add_folder(const std::string& text, const TableArguments& arguments,
                std::vector<BenchmarkScores>& runs, std::vector<BenchmarkScores>& baselines) {
  const auto [name, folder] = named_folder(text);
  auto evaluation = read_evaluated(folder);
  if (!arguments.manifest.empty()) {
    evaluation.facts.manifest = arguments.manifest.string();
    if (!arguments.split.empty() || evaluation.facts.split.empty())
      evaluation.facts.split = arguments.split.empty() ? "test" : arguments.split;
  }
  const std::string benchmark = benchmark_name(evaluation);
  const fs::path told = evaluation.folder / "baselines.json";
  const bool alone = fs::exists(told) && !fs::exists(evaluation.folder / "scores.json") &&
                     !fs::exists(evaluation.predictions);
  if (!alone) {
    const std::string row = row_of(name, evaluation, benchmark, runs);
    runs.push_back(
        {row, benchmark, scores_of(evaluation, arguments), RowKind::kRun, "", evaluation.facts});
  }
  if (fs::exists(told)) add_baselines(told, benchmark, arguments.protocol, baselines);
}

void print_table(const TableArguments& arguments) {
  RunsTableOptions options{choice_named<TableFormat>("--format", arguments.format),
                           arguments.metrics};
  protocol_named(arguments.protocol);
  std::vector<BenchmarkScores> entries, baselines;
  for (const auto& folder : arguments.folders) add_folder(folder, arguments, entries, baselines);
  std::vector<std::string> benchmarks;
  for (const auto* list : {&entries, &baselines}) {
    for (const auto& entry : *list) {
      if (std::find(benchmarks.begin(), benchmarks.end(), entry.benchmark) == benchmarks.end())
        benchmarks.push_back(entry.benchmark);
    }
  }
  if (!arguments.reference.empty()) {
    for (auto& reference :
         references_of(read_json(arguments.reference), arguments.reference.string(), benchmarks))
      entries.push_back(std::move(reference));
  }
  entries.insert(entries.end(), baselines.begin(), baselines.end());
  std::cout << runs_table(entries, options);
}

}  // namespace

void add_table(Command& app) {
  auto arguments = std::make_shared<TableArguments>();
  auto* command = app.add_subcommand(
      "table", "Benchmark table: rows are runs, columns are benchmarks and metrics");
  command
      ->add_option("folders", arguments->folders,
                   "what evaluate wrote, or NAME=FOLDER to name the row; baselines.json in it "
                   "gives rows of its own")
      ->required();
  command->add_option("--format", arguments->format,
                      join(choice_names<TableFormat>(), ", ") + "; latex needs booktabs");
  command->add_option("--protocol", arguments->protocol, "scoring convention, as of `score`");
  command->add_option("--metrics", arguments->metrics,
                      "columns: names of the protocol's metrics, as `score --json` prints them");
  command->add_option("--data", arguments->manifest,
                      "manifest.jsonl, for folders without evaluation.json: gives intervals");
  command->add_option("--split", arguments->split, "split that was asked");
  command->add_option("--reference", arguments->reference,
                      "JSON list of published numbers: [{\"name\", \"source\", \"benchmark\", "
                      "\"metrics\": {\"giou\": …}}]");
  command->footer(
      "Example: medseg table runs/demo/test --format markdown\n"
      "         medseg table Ours=runs/a/test Ours=runs/a/other --protocol strict");
  command->callback([arguments] { print_table(*arguments); });
}

}  // namespace medseg
