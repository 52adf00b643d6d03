#include "medseg/report/table.h"

#include <iostream>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct TableArguments {
  std::vector<fs::path> folders;
  std::string format = "markdown";
  fs::path reference;
};

nlohmann::json read_json(const fs::path& path) {
  return raised_as<DataError>([&] { return parse_json(read_file(path), path.string()); });
}

// One object, or the lines of `score --json`: then those of protocol lisa, else the first.
nlohmann::json read_scores(const fs::path& path) {
  std::vector<nlohmann::json> objects;
  const std::string text = read_file(path);
  const auto lines = split(trim(text), '\n');
  const bool of_lines = lines.size() > 1 && nlohmann::json::accept(lines[0]);
  for (std::size_t i = 0; of_lines && i < lines.size(); ++i) {
    objects.push_back(raised_as<DataError>(
        [&] { return parse_json(lines[i], str_cat(path.string(), ":", i + 1)); }));
  }
  if (!of_lines) objects.push_back(read_json(path));
  for (const auto& object : objects) {
    if (!object.is_object() || !object.contains("metrics"))
      throw DataError(path.string(), "no scores, expected an object with \"metrics\"");
  }
  for (const auto& object : objects) {
    if (object.value("protocol", "") == "lisa") return object;
  }
  return objects.front();
}

// What a folder holds; baselines alone stand as runs of their own.
void add_folder(const fs::path& folder, std::vector<RunScores>& runs) {
  RunScores run{folder.string(), nullptr, nullptr};
  if (fs::exists(folder / "baselines.json")) run.baselines = read_json(folder / "baselines.json");
  if (fs::exists(folder / "scores.json") || !run.baselines.is_object()) {
    run.scores = read_scores(folder / "scores.json");
    runs.push_back(std::move(run));
    return;
  }
  for (const auto& [name, scores] : run.baselines.items())
    runs.push_back({str_cat(name, " of ", folder.string()), scores, nullptr});
}

void print_table(const TableArguments& arguments) {
  const auto format = choice_named<TableFormat>("--format", arguments.format);
  std::vector<RunScores> runs;
  for (const auto& folder : arguments.folders) add_folder(folder, runs);
  if (!arguments.reference.empty()) {
    for (auto& reference :
         parse_references(read_json(arguments.reference), arguments.reference.string()))
      runs.push_back(std::move(reference));
  }
  std::cout << benchmark_table(runs, format);
}

}  // namespace

void add_table(CLI::App& app) {
  auto arguments = std::make_shared<TableArguments>();
  auto* command =
      app.add_subcommand("table", "Benchmark table of evaluated runs, beside their baselines");
  command
      ->add_option("folders", arguments->folders,
                   "what evaluate wrote: scores.json, perhaps baselines.json")
      ->required();
  command->add_option("--format", arguments->format,
                      join(choice_names<TableFormat>(), ", ") + "; latex needs booktabs");
  command->add_option("--reference", arguments->reference,
                      "JSON list of published numbers: [{\"name\", \"source\", \"metrics\": "
                      "{\"giou\": …}}]");
  command->footer("Example: medseg table runs/demo/test --format markdown");
  command->callback([arguments] { print_table(*arguments); });
}

}  // namespace medseg
