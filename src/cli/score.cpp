#include <algorithm>
#include <iostream>
#include <optional>

#include "commands.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/bundle/thresholds.h"
#include "medseg/evaluation/evaluated.h"
#include "medseg/evaluation/replay_predictions.h"
#include "medseg/metrics/threshold.h"
#include "medseg/report/protocol_text.h"
#include "medseg/report/threshold_text.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct ScoreArguments {
  fs::path predictions, manifest, against, masks, per_case;
  std::string split;
  std::vector<std::string> protocols = {"lisa"};
  double tolerance_mm = 2;
  std::string threshold;
  bool choose = false;
  fs::path store;
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

Replay replay_of(const fs::path& path, const ScoreArguments& arguments, const AskedSplit& asked) {
  const fs::path file = read_evaluated(path).predictions;
  return Replay(replay_predictions(read_predictions(file), asked.manifest, asked.split,
                                   asked.partial || arguments.partial, file.parent_path()),
                arguments.tolerance_mm);
}

Replay replay_of_masks(const ScoreArguments& arguments, const AskedSplit& asked) {
  return Replay(
      replay_predictions(predictions_of_masks(arguments.masks, asked.manifest, asked.split),
                         asked.manifest, asked.split, arguments.partial, arguments.masks),
      arguments.tolerance_mm);
}

// Of what is scored: the manifest and split of the command line, else of evaluation.json.
AskedSplit asked_split(const ScoreArguments& arguments) {
  if (!arguments.masks.empty()) {
    if (arguments.manifest.empty())
      throw ConfigError("--data", "missing; the manifest that the masks belong to");
    return {Manifest::read(arguments.manifest), arguments.split.empty() ? "test" : arguments.split,
            false};
  }
  return open_asked(read_evaluated(arguments.predictions), arguments.manifest, arguments.split);
}

// --threshold: a number, or a bundle that holds one.
struct Threshold {
  double value = 0;
  std::string from;
};

std::optional<Threshold> threshold_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (fs::is_directory(text)) {
    const auto stored = read_thresholds(text);
    if (!stored) {
      throw ConfigError("--threshold", text +
                                           " has no thresholds; `medseg score … "
                                           "--choose-thresholds --store` chooses them");
    }
    return Threshold{stored->mask_score,
                     str_cat("chosen on ", stored->manifest, ", split ", stored->split)};
  }
  std::size_t end = 0;
  double value = -1;
  try {
    value = std::stod(text, &end);
  } catch (const std::exception&) {  // no number: refused below
  }
  if (end != text.size() || !(value >= 0 && value <= 1)) {
    throw ConfigError("--threshold",
                      "\"" + text + "\" is neither a number from 0 to 1 nor a bundle");
  }
  return Threshold{value, "given"};
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

void choose(const ScoreArguments& arguments, const AskedSplit& asked, const Replay& replay) {
  if (asked.split == "test")
    log_warning("thresholds are chosen on split test: scores of that split will flatter them");
  const auto choice =
      with_place((arguments.masks.empty() ? arguments.predictions : arguments.masks).string(),
                 [&] { return choose_threshold(replay); });
  const std::string manifest = fs::absolute(asked.manifest.path()).lexically_normal().string();
  if (!arguments.store.empty()) {
    store_thresholds(arguments.store, {choice.threshold, manifest, asked.split, choice.right,
                                       choice.right_without, choice.references, choice.absent});
    log_info("stored in " + (arguments.store / "config.json").string());
  }
  std::cout << (arguments.json ? threshold_json(choice, manifest, asked.split).dump() + "\n"
                               : threshold_text(choice));
}

void check(const ScoreArguments& arguments) {
  if (arguments.predictions.empty() == arguments.masks.empty())
    throw ConfigError("score", "expected either predictions.jsonl or --masks FOLDER");
  if (!(arguments.tolerance_mm >= 0))
    throw ConfigError("--tolerance-mm", str_cat(arguments.tolerance_mm, " is out of range"));
  if (!arguments.store.empty() && !arguments.choose)
    throw ConfigError("--store", "is for --choose-thresholds");
  if (arguments.choose &&
      (!arguments.threshold.empty() || !arguments.against.empty() || !arguments.per_case.empty())) {
    throw ConfigError("--choose-thresholds",
                      "prints no scores: leave out --threshold, --against and --per-case");
  }
}

void score(const ScoreArguments& arguments) {
  const auto protocols_asked = asked_protocols(arguments);
  check(arguments);
  const auto threshold = threshold_of(arguments.threshold);
  const AskedSplit asked = asked_split(arguments);
  Replay replay = arguments.masks.empty() ? replay_of(arguments.predictions, arguments, asked)
                                          : replay_of_masks(arguments, asked);
  if (arguments.choose) return choose(arguments, asked, replay);
  if (threshold) replay = with_threshold(replay, threshold->value);
  nlohmann::ordered_json comparison;
  if (!arguments.against.empty()) {
    Replay other = replay_of(arguments.against, arguments, asked);
    if (threshold) other = with_threshold(other, threshold->value);
    comparison = comparison_json(case_rows(replay), case_rows(other));
  }
  if (!arguments.per_case.empty()) write_file(arguments.per_case, case_rows_csv(case_rows(replay)));
  const bool all = std::any_of(arguments.protocols.begin(), arguments.protocols.end(), is_all);
  for (const auto* protocol : protocols_asked) {
    try {
      auto result = score_by(*protocol, replay);
      if (threshold) {
        result.mask_score_threshold = threshold->value;
        result.rules += str_cat("; masks of a score below ", threshold->value, " (",
                                threshold->from, ") are not drawn");
      }
      print(result, comparison, arguments.json);
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

void add_score(Command& app) {
  auto arguments = std::make_shared<ScoreArguments>();
  auto* command = app.add_subcommand("score", "Score saved predictions again; needs no model");
  command->add_option("predictions", arguments->predictions,
                      "predictions.jsonl, or the folder that evaluate wrote");
  command->add_option("--masks", arguments->masks,
                      "instead, a folder of any model's masks: ID.png, ID-LABEL.png or "
                      "ID/LABEL.png, or .nii.gz, whose ID may be that of the volume");
  command->add_option("--data", arguments->manifest,
                      "manifest.jsonl; without it the one that evaluation.json names");
  command->add_option("--split", arguments->split,
                      "split that was asked; else that of evaluation.json, else test");
  command->add_option("--protocol", arguments->protocols, protocol_help());
  command->add_option("--against", arguments->against,
                      "another predictions.jsonl of the same split: paired tests of Dice");
  command->add_option("--tolerance-mm", arguments->tolerance_mm,
                      "distance that surface scores (nsd) forgive");
  command->add_option("--threshold", arguments->threshold,
                      "masks of a lower score (P([SEG]) x predicted IoU) are not drawn: a number, "
                      "or a bundle whose thresholds were chosen");
  command->add_flag("--choose-thresholds", arguments->choose,
                    "instead, the threshold that is right most often on this (validation) split");
  command->add_option("--store", arguments->store,
                      "bundle that --choose-thresholds writes it into");
  command->add_option("--per-case", arguments->per_case, "CSV file, one row a reference mask");
  command->add_flag("--partial", arguments->partial, "leave out turns that were not predicted");
  command->add_flag("--json", arguments->json, "one JSON object a protocol");
  command->footer(
      "Example: medseg score runs/demo/test/predictions.jsonl --data data/demo/manifest.jsonl "
      "--split test --protocol lisa strict --per-case cases.csv\n"
      "         medseg score runs/demo/val --choose-thresholds --store runs/demo/best");
  command->callback([arguments] { score(*arguments); });
}

}  // namespace medseg
