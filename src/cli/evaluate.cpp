#include <iostream>

#include "commands.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/evaluation/baselines.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/report/scores_text.h"
#include "model_options.h"
#include "several_processes.h"

namespace medseg {
namespace {

struct EvaluateArguments {
  ModelOptions model;
  std::filesystem::path manifest, out;
  std::string split = "test", training_split = "train";
  std::int64_t limit = 0;
  bool json = false;
  bool baselines = false;
  std::filesystem::path features;
  std::string features_dtype;
};

// Bytes of decoded images. Records of one image follow each other, so this is ample.
constexpr std::uint64_t kCacheBytes = std::uint64_t{1} << 30;

constexpr double kTimeout = 1800.0;  // seconds that ranks with short answers wait for the others

FeatureCacheOptions cache_options(const EvaluateArguments& arguments) {
  FeatureCacheOptions options{.precision = arguments.model.dtype(),
                              .limit_bytes = kCacheBytes,
                              .folder = arguments.features};
  if (!arguments.features_dtype.empty())
    options.storage = precision_named("--cache-dtype", arguments.features_dtype);
  return options;
}

void score_what_needs_no_training(const EvaluateArguments& arguments) {
  const Manifest manifest = Manifest::read(arguments.manifest);
  Baselines baselines;
  if (arguments.model.bundle.empty()) {
    baselines = score_baselines(manifest, arguments.training_split, arguments.split, nullptr,
                                nullptr, at::kFloat);
  } else {
    // Only the published decoder runs here, so parts that only answers need may still be untrained.
    const OpenBundle bundle = open_model(arguments.model, BundleUse::kBoxPrompts);
    FeatureCache cache(*bundle.model, bundle.options, cache_options(arguments));
    baselines = score_baselines(manifest, arguments.training_split, arguments.split, &bundle,
                                &cache, arguments.model.dtype());
  }
  write_file(arguments.out / "baselines.json", baselines_json(baselines) + "\n");
  if (arguments.json) {
    std::cout << baselines_json(baselines) << "\n";
    return;
  }
  std::cout << "mean training mask\n"
            << scores_table(baselines.mean_mask) << "\nnearest training slice\n"
            << scores_table(baselines.nearest_slice);
  if (baselines.true_box)
    std::cout << "\ndecoder with the true box\n" << scores_table(*baselines.true_box);
}

void evaluate_model(const EvaluateArguments& arguments, Comm& comm) {
  comm.set_timeout(kTimeout);
  if (arguments.model.bundle.empty()) throw ConfigError("--model", "missing");
  const OpenBundle bundle = open_model(arguments.model, BundleUse::kAnswers, comm.local_rank());
  const Manifest manifest = Manifest::read(arguments.manifest);
  FeatureCache cache(*bundle.model, bundle.options, cache_options(arguments));
  EvaluationOptions options;
  options.generation = arguments.model.generation(bundle);
  options.limit = arguments.limit;
  options.precision = arguments.model.dtype();
  options.comm = &comm;
  const Evaluation evaluation = evaluate(bundle, manifest, arguments.split, cache, options);
  if (!comm.leads()) return;
  write_evaluation(arguments.out, evaluation);
  log_info("wrote " + (arguments.out / "predictions.jsonl").string() + ", " +
           (arguments.out / "scores.json").string() + "; peak memory " +
           gigabytes_text(peak_memory_bytes()));
  if (cache.folder() != nullptr) {
    const auto counts = cache.counts();
    log_info(str_cat("features: ", counts.from_disk, " read from ", arguments.features.string(),
                     ", ", counts.computed, " computed, ", counts.written, " added"));
  }
  std::cout << (arguments.json ? scores_json(evaluation.scores) + "\n"
                               : scores_table(evaluation.scores));
}

}  // namespace

void add_evaluate(CLI::App& app) {
  auto arguments = std::make_shared<EvaluateArguments>();
  auto* command =
      app.add_subcommand("evaluate", "Ask every question of a split, score words and masks");
  add_model_options(*command, arguments->model, /*model_required=*/false);
  command->add_option("--data", arguments->manifest, "manifest.jsonl")->required();
  command->add_option("--split", arguments->split, "split to ask");
  command->add_option("--out", arguments->out, "folder for predictions.jsonl and scores.json")
      ->required();
  command->add_option("--limit", arguments->limit,
                      "so many records, spread over the split; 0: all");
  command->add_flag("--baselines", arguments->baselines,
                    "instead, score what needs no training into baselines.json: mean training "
                    "mask, nearest training "
                    "slice and, with --model, its decoder prompted with the true box");
  command->add_option("--training-split", arguments->training_split,
                      "split that --baselines learn from");
  command->add_option("--feature-cache", arguments->features,
                      "folder that keeps features of the frozen encoders, as data.cache_dir of a "
                      "training config");
  command->add_option(
      "--cache-dtype", arguments->features_dtype,
      "number format of stored features: " + join(choice_names<Precision>(), " | ") +
          "; default: that of --precision");
  command->add_flag("--json", arguments->json, "scores as one JSON object");
  command->footer(
      "Example: medseg evaluate --model runs/demo/best --data data/demo/manifest.jsonl --split "
      "test --out runs/demo/test");
  command->callback([arguments] {
    if (arguments->limit < 0)
      throw ConfigError("--limit", str_cat(arguments->limit, " is out of range"));
    with_all_processes([&](Comm& comm) {
      if (!arguments->baselines) return evaluate_model(*arguments, comm);
      if (comm.leads()) score_what_needs_no_training(*arguments);
    });
  });
}

}  // namespace medseg
