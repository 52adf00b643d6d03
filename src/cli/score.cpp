#include <algorithm>
#include <iostream>

#include "commands.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/evaluation/replay_predictions.h"
#include "medseg/report/protocol_text.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct ScoreArguments {
  fs::path predictions, manifest, against, masks, per_case;
  std::string split = "test";
  std::vector<std::string> protocols = {"lisa"};
  double tolerance_mm = 2;
  bool partial = false;
  bool json = false;
};

bool is_all(const std::string& name) { return name == "all"; }

std::vector<const Protocol*> asked_protocols(const ScoreArguments& arguments) {
  std::vector<const Protocol*> asked;
  for (const auto& name : arguments.protocols) {
    if (!is_all(name)) {
      asked.push_back(&protocol_named(name));
      continue;
    }
    for (const auto& protocol : protocols()) asked.push_back(&protocol);
  }
  return asked;
}

Replay replay_of(const fs::path& file, const ScoreArguments& arguments, const Manifest& manifest) {
  return Replay(replay_predictions(read_predictions(file), manifest, arguments.split,
                                   arguments.partial, file.parent_path()),
                arguments.tolerance_mm);
}

Replay replay_of_masks(const ScoreArguments& arguments, const Manifest& manifest) {
  return Replay(replay_predictions(predictions_of_masks(arguments.masks, manifest, arguments.split),
                                   manifest, arguments.split, arguments.partial, arguments.masks),
                arguments.tolerance_mm);
}

void print(const ProtocolResult& result, const nlohmann::ordered_json& comparison, bool json) {
  if (!json) {
    std::cout << protocol_text(result);
    if (!comparison.is_null()) std::cout << comparison_text(comparison);
    std::cout << "\n";
    return;
  }
  auto object = protocol_json(result);
  if (!comparison.is_null()) object["compare"] = comparison;
  std::cout << object.dump() << "\n";
}

void score(const ScoreArguments& arguments) {
  const auto asked = asked_protocols(arguments);
  if (arguments.predictions.empty() == arguments.masks.empty())
    throw ConfigError("score", "expected either predictions.jsonl or --masks FOLDER");
  if (!(arguments.tolerance_mm >= 0))
    throw ConfigError("--tolerance-mm", str_cat(arguments.tolerance_mm, " is out of range"));
  const Manifest manifest = Manifest::read(arguments.manifest);
  const Replay replay = arguments.masks.empty()
                            ? replay_of(arguments.predictions, arguments, manifest)
                            : replay_of_masks(arguments, manifest);
  nlohmann::ordered_json comparison;
  if (!arguments.against.empty()) {
    comparison = comparison_json(case_rows(replay),
                                 case_rows(replay_of(arguments.against, arguments, manifest)));
  }
  if (!arguments.per_case.empty()) write_file(arguments.per_case, case_rows_csv(case_rows(replay)));
  const bool all = std::any_of(arguments.protocols.begin(), arguments.protocols.end(), is_all);
  for (const auto* protocol : asked) {
    try {
      print(score_by(*protocol, replay), comparison, arguments.json);
    } catch (const DataError& error) {
      if (!all) throw;
      log_warning(str_cat("protocol ", protocol->name, " left out: ", error.what()));
    }
  }
}

std::string protocol_help() {
  std::vector<std::string> names;
  for (const auto& protocol : protocols()) names.emplace_back(protocol.name);
  return "scoring conventions: " + join(names, ", ") + "; or all";
}

}  // namespace

void add_score(CLI::App& app) {
  auto arguments = std::make_shared<ScoreArguments>();
  auto* command = app.add_subcommand("score", "Score saved predictions again; needs no model");
  command->add_option("predictions", arguments->predictions, "predictions.jsonl");
  command->add_option("--masks", arguments->masks,
                      "instead, a folder of any model's masks: ID.png, ID-LABEL.png or "
                      "ID/LABEL.png, or .nii.gz");
  command->add_option("--data", arguments->manifest, "manifest.jsonl")->required();
  command->add_option("--split", arguments->split, "split that was asked");
  command->add_option("--protocol", arguments->protocols, protocol_help());
  command->add_option("--against", arguments->against,
                      "another predictions.jsonl of the same split: paired tests of Dice");
  command->add_option("--tolerance-mm", arguments->tolerance_mm,
                      "distance that surface scores (nsd) forgive");
  command->add_option("--per-case", arguments->per_case, "CSV file, one row a reference mask");
  command->add_flag("--partial", arguments->partial, "leave out turns that were not predicted");
  command->add_flag("--json", arguments->json, "one JSON object a protocol");
  command->footer(
      "Example: medseg score runs/demo/test/predictions.jsonl --data data/demo/manifest.jsonl "
      "--split test --protocol lisa strict --per-case cases.csv");
  command->callback([arguments] { score(*arguments); });
}

}  // namespace medseg
