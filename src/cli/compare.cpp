#include <iostream>

#include "commands.h"
#include "medseg/base/str.h"
#include "medseg/evaluation/replay_predictions.h"
#include "medseg/report/protocol_text.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct CompareArguments {
  fs::path first, second, manifest;
  std::string split = "test";
  bool json = false;
};

fs::path predictions_file(const fs::path& path) {
  return fs::is_directory(path) ? path / "predictions.jsonl" : path;
}

std::vector<CaseRow> rows_of(const fs::path& path, const Manifest& manifest,
                             const std::string& split) {
  const fs::path file = predictions_file(path);
  return case_rows(Replay(replay_predictions(read_predictions(file), manifest, split,
                                             /*partial=*/false, file.parent_path())));
}

void compare(const CompareArguments& arguments) {
  const Manifest manifest = Manifest::read(arguments.manifest);
  auto comparison = comparison_json(rows_of(arguments.first, manifest, arguments.split),
                                    rows_of(arguments.second, manifest, arguments.split));
  comparison["a"] = arguments.first.string();
  comparison["b"] = arguments.second.string();
  std::cout << (arguments.json ? comparison.dump() + "\n" : comparison_text(comparison));
}

}  // namespace

void add_compare(CLI::App& app) {
  auto arguments = std::make_shared<CompareArguments>();
  auto* command = app.add_subcommand(
      "compare", "Two evaluations of the same records: paired tests, differences per target");
  command->add_option("a", arguments->first, "what evaluate wrote, or its predictions.jsonl")
      ->required();
  command->add_option("b", arguments->second, "another one")->required();
  command->add_option("--data", arguments->manifest, "manifest.jsonl that both answered")
      ->required();
  command->add_option("--split", arguments->split, "split that was asked");
  command->add_flag("--json", arguments->json, "one JSON object");
  command->footer(
      "Example: medseg compare runs/a/test runs/b/test --data data/demo/manifest.jsonl "
      "--split test");
  command->callback([arguments] { compare(*arguments); });
}

}  // namespace medseg
