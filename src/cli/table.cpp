#include "medseg/report/table.h"

#include <iostream>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

nlohmann::json read_json(const fs::path& path) {
  try {
    return parse_json(read_file(path), path.string());
  } catch (const ConfigError& error) {
    throw DataError(error.what());
  }
}

void print_table(const std::vector<fs::path>& folders, const std::string& format) {
  std::vector<RunScores> runs;
  const TableFormat as = table_format(format);
  for (const auto& folder : folders) {
    RunScores run{folder.string(), read_json(folder / "scores.json"), nullptr};
    if (!run.scores.is_object() || !run.scores.contains("metrics")) {
      throw DataError((folder / "scores.json").string() +
                      ": no scores, expected an object with \"metrics\"");
    }
    if (fs::exists(folder / "baselines.json")) run.baselines = read_json(folder / "baselines.json");
    runs.push_back(std::move(run));
  }
  std::cout << benchmark_table(runs, as);
}

}  // namespace

void add_table(CLI::App& app) {
  auto folders = std::make_shared<std::vector<fs::path>>();
  auto format = std::make_shared<std::string>("markdown");
  auto* command =
      app.add_subcommand("table", "Benchmark table of evaluated runs, beside their baselines");
  command
      ->add_option("folders", *folders, "what evaluate wrote: scores.json, perhaps baselines.json")
      ->required();
  command->add_option("--format", *format, "markdown, latex, csv or text");
  command->footer("Example: medseg table runs/demo/test --format markdown");
  command->callback([folders, format] { print_table(*folders, *format); });
}

}  // namespace medseg
