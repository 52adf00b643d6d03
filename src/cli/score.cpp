#include <iostream>

#include "commands.h"
#include "medseg/base/str.h"
#include "medseg/evaluation/predictions.h"
#include "medseg/report/scores_text.h"

namespace medseg {
namespace {

struct ScoreArguments {
  std::filesystem::path predictions, manifest;
  std::string split = "test";
  std::vector<std::string> protocols = {"lisa"};
  bool partial = false;
  bool json = false;
};

void score(const ScoreArguments& arguments) {
  for (const auto& protocol : arguments.protocols) {
    if (protocol == "lisa") continue;
    throw ConfigError("--protocol: unknown protocol \"" + protocol + "\"" +
                      did_you_mean(protocol, {"lisa"}));
  }
  const auto predictions = read_predictions(arguments.predictions);
  const Manifest manifest = Manifest::read(arguments.manifest);
  const Scores scores =
      score_predictions(predictions, manifest, arguments.split, arguments.partial);
  for (std::size_t i = 0; i < arguments.protocols.size(); ++i) {
    std::cout << (arguments.json ? scores_json(scores) + "\n" : scores_table(scores));
  }
}

}  // namespace

void add_score(CLI::App& app) {
  auto arguments = std::make_shared<ScoreArguments>();
  auto* command = app.add_subcommand("score", "Score saved predictions again; needs no model");
  command->add_option("predictions", arguments->predictions, "predictions.jsonl")->required();
  command->add_option("--data", arguments->manifest, "manifest.jsonl")->required();
  command->add_option("--split", arguments->split, "split that was asked");
  command->add_option("--protocol", arguments->protocols, "scoring convention: lisa");
  command->add_flag("--partial", arguments->partial, "leave out turns that were not predicted");
  command->add_flag("--json", arguments->json, "one JSON object a protocol");
  command->footer(
      "Example: medseg score runs/demo/test/predictions.jsonl --data data/demo/manifest.jsonl "
      "--split test --protocol "
      "lisa --json");
  command->callback([arguments] { score(*arguments); });
}

}  // namespace medseg
