#include <algorithm>
#include <iostream>
#include <optional>

#include "commands.h"
#include "medseg/base/clock.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/dataset/contamination.h"
#include "medseg/evaluation/baselines.h"
#include "medseg/evaluation/benchmark.h"
#include "medseg/evaluation/evaluation_folder.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/report/scores_text.h"
#include "model_options.h"
#include "several_processes.h"

namespace medseg {
namespace {

constexpr std::int64_t kDefaultBatch = 8;
constexpr std::int64_t kFailedAllowed = 10;  // or 1 %, if that is more

struct EvaluateArguments {
  ModelOptions model;
  std::filesystem::path manifest, out, benchmark;
  std::string split, training_split = "train";
  std::int64_t limit = 0;
  std::optional<std::int64_t> batch, max_failed;
  std::string mode, history;
  bool json = false, resume = false, keep_logits = false;
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

template <class Enum>
Enum chosen(const std::string& flag, const std::string& name, Enum otherwise) {
  return name.empty() ? otherwise : choice_named<Enum>(flag, name);
}

// What the benchmark file says stands where the command line is silent.
EvaluateArguments with_benchmark(EvaluateArguments arguments,
                                 const std::optional<BenchmarkOptions>& benchmark) {
  if (benchmark) {
    if (arguments.manifest.empty()) arguments.manifest = benchmark->manifest;
    if (arguments.split.empty()) arguments.split = benchmark->split;
    if (arguments.mode.empty()) arguments.mode = name_of(benchmark->mode);
    if (arguments.model.max_new_tokens == 0)
      arguments.model.max_new_tokens = benchmark->max_new_tokens;
    arguments.keep_logits = arguments.keep_logits || benchmark->keep_logits;
  }
  if (arguments.manifest.empty()) throw ConfigError("--data", "missing");
  if (arguments.split.empty()) arguments.split = "test";
  return arguments;
}

EvaluationOptions evaluation_options(const EvaluateArguments& arguments,
                                     const std::optional<BenchmarkOptions>& benchmark,
                                     const BundleOptions& bundle) {
  EvaluationOptions options;
  options.generation.max_new_tokens =
      arguments.model.max_new_tokens > 0 ? arguments.model.max_new_tokens : bundle.max_new_tokens;
  options.mode = chosen("--mode", arguments.mode, AnswerMode::kGenerate);
  options.history = chosen("--history", arguments.history, History::kOwn);
  if (options.mode == AnswerMode::kTeacherForced && !arguments.history.empty()) {
    throw ConfigError("--history",
                      "does not apply to --mode teacher-forced, which sees the reference answers");
  }
  if (options.mode == AnswerMode::kTeacherForced && arguments.batch)
    throw ConfigError("--batch",
                      "does not apply to --mode teacher-forced, which generates nothing");
  if (benchmark) {
    if (arguments.history.empty()) options.history = benchmark->history;
    options.question = benchmark->question;
    if (options.mode == AnswerMode::kTeacherForced) options.forced_answer = benchmark->answer;
  }
  options.limit = arguments.limit;
  options.batch = arguments.batch.value_or(kDefaultBatch);
  options.precision = arguments.model.dtype();
  if (arguments.keep_logits) options.maps_folder = arguments.out / "maps";
  return options;
}

// What the bundle knows of its training.
std::optional<TrainedOn> trained_on(const std::filesystem::path& bundle) {
  const auto file = bundle / kTrainedOnFile;
  if (!std::filesystem::exists(file)) return std::nullopt;
  return read_trained_on(file);
}

std::string failures_text(const Evaluation& evaluation) {
  return str_cat(evaluation.failed.size(), " of the records could not be asked and count as ",
                 "failed; mend them and run again with --resume");
}

void evaluate_model(const EvaluateArguments& given, Comm& comm) {
  const SignalWatch watch(
      "\nstopping: the answers so far are kept, --resume goes on (again: at once)\n");
  comm.set_timeout(kTimeout);
  std::optional<BenchmarkOptions> benchmark;
  if (!given.benchmark.empty()) benchmark = read_benchmark(given.benchmark);
  const auto arguments = with_benchmark(given, benchmark);
  if (arguments.model.bundle.empty()) throw ConfigError("--model", "missing");
  // Everything that can be refused without the model comes before it is opened.
  const Stopwatch stopwatch;
  const auto bundle_options = read_bundle_options(arguments.model.bundle);
  refuse_untrained(bundle_options, arguments.model.bundle, BundleUse::kAnswers);
  auto options = evaluation_options(arguments, benchmark, bundle_options);
  const Manifest manifest = Manifest::read(arguments.manifest);
  const auto trained = trained_on(arguments.model.bundle);
  const auto records = chosen_records(manifest, arguments.split, arguments.limit).size();
  options.max_failed = arguments.max_failed.value_or(
      std::max(kFailedAllowed, static_cast<std::int64_t>(records) / 100));
  EvaluationFolder folder(arguments.out,
                          facts_of(arguments.manifest, arguments.split, arguments.model.bundle,
                                   options, arguments.model.precision),
                          manifest, arguments.resume, comm);
  const OpenBundle bundle = open_model(arguments.model, BundleUse::kAnswers, comm.local_rank());
  FeatureCache cache(*bundle.model, bundle.options, cache_options(arguments));
  folder.begin();
  options.comm = &comm;
  options.answered = folder.answered();
  options.on_record = [&](const std::vector<Prediction>& record) { folder.add(record); };
  const Evaluation evaluation = evaluate(bundle, manifest, arguments.split, cache, options);
  SeenInTraining seen;
  if (comm.leads()) seen = seen_in_training({&manifest, arguments.split}, trained);
  folder.finish(evaluation, stopwatch.seconds(), seen);
  if (!comm.leads()) return;
  log_info(leakage_statement(seen));
  log_info("wrote " + (arguments.out / "predictions.jsonl").string() + ", " +
           (arguments.out / "scores.json").string() + "; peak memory " +
           gigabytes_text(peak_memory_bytes()));
  if (cache.folder() != nullptr) {
    const auto counts = cache.counts();
    log_info(str_cat("features: ", counts.from_disk, " read from ", arguments.features.string(),
                     ", ", counts.computed, " computed, ", counts.written, " added"));
  }
  if (!evaluation.failed.empty()) log_warning(failures_text(evaluation));
  std::cout << (arguments.json ? scores_json(evaluation.scores) + "\n"
                               : scores_table(evaluation.scores));
  if (!evaluation.failed.empty() && evaluation.failed.size() == records) {
    throw DataError(
        arguments.manifest.string(),
        "no record of the split can be asked; the first: " + evaluation.failed.front().what);
  }
}

}  // namespace

void add_evaluate(Command& app) {
  auto arguments = std::make_shared<EvaluateArguments>();
  auto* command =
      app.add_subcommand("evaluate", "Ask every question of a split, score words and masks");
  add_model_options(*command, arguments->model, /*model_required=*/false);
  command->add_option("--data", arguments->manifest, "manifest.jsonl");
  command->add_option("--split", arguments->split, "split to ask; default: test");
  command->add_option("--benchmark", arguments->benchmark,
                      "file of configs/eval/: its data, split, questions and mode, where no flag "
                      "says otherwise");
  command->add_option("--out", arguments->out, "folder for predictions.jsonl and scores.json")
      ->required();
  command->add_option("--limit", arguments->limit,
                      "so many records, spread over the split; 0: all");
  command->add_option(
      "--batch", arguments->batch,
      "dialogues answered side by side; the answers do not depend on it. Default: 8");
  command->add_option("--mode", arguments->mode,
                      join(choice_names<AnswerMode>(), " | ") +
                          "; teacher-forced: the reference answers are given to the model, which "
                          "only draws their masks");
  command->add_option("--history", arguments->history,
                      join(choice_names<History>(), " | ") +
                          ": the earlier answers that a later turn sees; default: own");
  command->add_flag("--keep-logits", arguments->keep_logits,
                    "also keep each mask's probabilities, as 8-bit PNG in maps/");
  command->add_flag("--resume", arguments->resume,
                    "ask only what the folder's predictions.jsonl does not answer yet");
  command->add_option("--max-failed", arguments->max_failed,
                      "records that may be unreadable; they count as failed in every score. "
                      "Default: 10, or 1 % of the records if that is more");
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
      "test --out runs/demo/test\n"
      "         medseg evaluate --model runs/demo/best --benchmark configs/eval/medseg-qa.json "
      "--data data/demo/manifest.jsonl --out runs/demo/qa");
  command->callback([arguments] {
    if (arguments->limit < 0)
      throw ConfigError("--limit", str_cat(arguments->limit, " is out of range"));
    if (arguments->batch && *arguments->batch < 1)
      throw ConfigError("--batch", str_cat(*arguments->batch, " is out of range"));
    if (arguments->max_failed && *arguments->max_failed < 0)
      throw ConfigError("--max-failed", str_cat(*arguments->max_failed, " is out of range"));
    if (arguments->baselines &&
        (arguments->resume || arguments->keep_logits || !arguments->mode.empty() ||
         !arguments->history.empty() || arguments->max_failed || arguments->batch)) {
      throw ConfigError("--baselines",
                        "asks nothing: --batch, --mode, --history, --keep-logits, --max-failed and "
                        "--resume do not apply");
    }
    with_all_processes([&](Comm& comm) {
      if (!arguments->baselines) return evaluate_model(*arguments, comm);
      if (!arguments->benchmark.empty())
        throw ConfigError("--benchmark", "does not apply to --baselines");
      if (comm.leads()) score_what_needs_no_training(with_benchmark(*arguments, std::nullopt));
    });
  });
}

}  // namespace medseg
