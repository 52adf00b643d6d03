#include "medseg/training/trainer.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/progress.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/inference/evaluator.h"
#include "medseg/nn/precision.h"
#include "medseg/training/checkpoint.h"
#include "medseg/training/loader.h"
#include "medseg/training/run_folder.h"
#include "medseg/training/schedule.h"
#include "medseg/training/step.h"
#include "medseg/training/update.h"
#include "signals.h"

namespace medseg {
namespace {

OpenBundle open_for_training(const TrainConfig& config) {
  const auto device = device_named("train.device", config.train.device);
  if (config.train.threads > 0) at::set_num_threads(static_cast<int>(config.train.threads));
  at::manual_seed(static_cast<std::uint64_t>(config.train.seed));
  auto bundle = open_bundle(config.model);
  const auto pool = config.train.replay.pool;
  if (bundle.model->has_grounding() && bundle.model->grounding().encoder().grid() % pool != 0) {
    throw ConfigError(str("train.replay.pool: ", pool, " does not divide the feature grid of ",
                          bundle.model->grounding().encoder().grid()));
  }
  move_to(*bundle.model, device);
  if (!device.is_cpu()) return bundle;  // there the encoders' plain passes run
  if (bundle.model->has_grounding()) bundle.model->grounding().encoder().prepare_frozen();
  if (bundle.model->has_vision()) bundle.model->vision().prepare_frozen();
  return bundle;
}

class Trainer {
 public:
  Trainer(const TrainConfig& config, const TrainRequest& request);
  void run();
  /// Leaves the reason in run.json, if that can still be written.
  void note_stop(const std::string& reason);

 private:
  Sampler make_sampler() const;
  bool trains(const std::string& prefix) const;
  void standardise_vision();
  StepReport take_step(BatchLoader& loader);
  double evaluate_model();
  void save(bool is_best);
  void write_step(const StepReport& report, const Update& update, double factor, double seconds);
  void write_run(const std::string& state);
  bool due(std::int64_t every) const { return every > 0 && done_.step % every == 0; }

  TrainConfig config_;
  const TrainOptions& options_;
  TrainRequest request_;
  RunFolder folder_;
  at::ScalarType precision_;
  OpenBundle bundle_;
  AdamW optimizer_;
  Ema ema_;
  GradScaler scaler_;
  FrozenStorage frozen_;
  TrainingSet data_;
  FeatureCache features_;
  MaskReplay replay_;
  std::vector<std::pair<DataSource, Manifest>> validation_;
  Progressed done_;
  TimeTable times_;
  Stopwatch watch_;
  bool resumed_ = false;
  double seconds_before_ = 0;  ///< of the runs that this one goes on with
  nlohmann::json run_;
};

Trainer::Trainer(const TrainConfig& config, const TrainRequest& request)
    : config_(config),
      options_(config_.train),
      request_(request),
      folder_(request.out),
      precision_(precision_named("train.precision", options_.precision)),
      bundle_(open_for_training(config)),
      optimizer_(options_.optimizer, choose_trained(bundle_, options_)),
      ema_(options_.ema.decay, optimizer_.parameters()),
      scaler_(options_.scaler, precision_ == at::kHalf, bundle_.model->device()),
      frozen_(bundle_, precision_),
      data_(config_.data, bundle_),
      features_(*bundle_.model, bundle_.options, precision_,
                static_cast<std::uint64_t>(config_.data.cache_gb * 1e9)),
      replay_(options_, data_) {
  for (const auto& source : config_.data.validation) {
    validation_.emplace_back(source, Manifest::read(source.manifest));
    if (validation_.back().second.split(source.split).empty()) {
      throw DataError(source.manifest + ": no record in split \"" + source.split + "\"");
    }
  }
  if (options_.standardise_vision && !trains("model.mm_projector.")) {
    throw ConfigError(
        "train.standardise_vision: the projector does not train; add \"mm_projector\" to "
        "train.trainable");
  }
  const auto effective = write_options(config_);
  const auto from = request_.resume ? folder_.last_step() : std::nullopt;
  if (from) {
    folder_.require_same_config(effective);
    done_ = load_checkpoint(folder_.checkpoint(*from), optimizer_, ema_, scaler_);
    replay_.restore(load_replay(folder_.checkpoint(*from)));
    folder_.rewind(done_.step);
    resumed_ = true;
  } else {
    folder_.create();
  }
  seconds_before_ = done_.seconds;
  log_to_file(folder_.path() / "log.txt");
  log_info(from ? str("resume: goes on after step ", done_.step)
                : "train: " + folder_.path().string());
  folder_.write_config(effective);

  std::int64_t count = 0;
  for (const auto& parameter : optimizer_.parameters()) count += parameter.tensor.numel();
  log_info(str("trains ", count, " numbers in ", optimizer_.parameters().size(), " tensors; ",
               options_.precision, ", ", at::get_num_threads(), " threads, ",
               at::get_cpu_capability()));
  for (const auto& line : data_.coverage()) log_info(line);
  run_ = {{"command", request_.command},
          {"version", "0.1.0"},
          {"started", utc_now()},
          {"seed", options_.seed},
          {"torch", TORCH_VERSION},
          {"threads", at::get_num_threads()},
          {"cpu_capability", at::get_cpu_capability()},
          {"resumed_after", done_.step},
          {"trained_numbers", count},
          {"records", data_.size()}};
  for (const auto& [path, hash] : data_.manifest_hashes())
    run_["data"].push_back({{"manifest", path}, {"sha256", hash}});
  write_run("running");
}

Sampler Trainer::make_sampler() const {
  Sampler sampler({.visits = data_.visits(),
                   .lengths = data_.lengths(),
                   .batch_size = options_.batch_size,
                   .shuffle = config_.data.shuffle,
                   .group_by_length = config_.data.group_by_length,
                   .seed = static_cast<std::uint64_t>(options_.seed)});
  sampler.seek(done_.drawn);
  return sampler;
}

bool Trainer::trains(const std::string& prefix) const {
  const auto& trained = optimizer_.parameters();
  return std::any_of(trained.begin(), trained.end(),
                     [&](const auto& parameter) { return parameter.name.starts_with(prefix); });
}

// A projector that comes trained goes on as the function it is; a checkpoint's numbers are of standardised features already.
void Trainer::standardise_vision() {
  const auto& fresh = bundle_.options.initialised;
  const bool trained = std::none_of(fresh.begin(), fresh.end(), [](const std::string& name) {
    return name.find("mm_projector") != std::string::npos;
  });
  const auto [mean, deviation] = data_.vision_statistics(features_);
  bundle_.model->standardise_vision(mean, deviation, trained && !resumed_);
}

/// The loop: steps, and what is due after each.
void Trainer::run() {
  const SignalWatch signals;
  {
    const TimeTable::Scope scope(times_, "features");
    data_.fill(features_);
    if (options_.standardise_vision) standardise_vision();
  }
  const auto device = bundle_.model->device();
  BatchLoader loader(
      [&](const auto& indices) { return pinned_for(device, data_.load(indices, features_)); },
      make_sampler(), options_.batch_size, config_.data.workers);
  Progress bar("train", options_.steps);
  const auto total_steps =
      options_.schedule.total_steps > 0 ? options_.schedule.total_steps : options_.steps;
  bool last = done_.step >= options_.steps;
  while (!last) {
    const Stopwatch step_watch;
    const StepReport report = take_step(loader);
    const double factor = rate_factor(options_.schedule, done_.step, total_steps);
    Update update;
    {
      const TimeTable::Scope scope(times_, "optimiser");
      update = apply_gradients(options_, done_.step, factor, report, optimizer_, ema_, scaler_,
                               done_.dropped);
    }
    ++done_.step;
    done_.drawn += static_cast<std::uint64_t>(report.samples);
    done_.seconds = seconds_before_ + watch_.seconds();
    write_step(report, update, factor, step_watch.seconds());
    bar.update(done_.step, str("loss ", fixed(report.total, 3), "  text ", fixed(report.text, 3),
                               "  bce ", fixed(report.bce, 3), "  dice ", fixed(report.dice, 3),
                               "  ", fixed(step_watch.seconds(), 2), " s/step"));

    last = done_.step >= options_.steps ||
           (options_.time_limit_s > 0 && done_.seconds >= options_.time_limit_s);
    const int signal = signals.caught();
    bool is_best = false;
    if (!validation_.empty() && signal == 0 && (due(options_.evaluate_every) || last)) {
      const double score = evaluate_model();
      is_best = score > done_.best_score;
      if (is_best) done_.best_score = score;
    }
    if (is_best || due(options_.save_every) || last || signal != 0)
      save(is_best || (last && validation_.empty()));
    if (signal != 0) {
      throw Error(128 + signal, str("stopped by signal ", signal, " after step ", done_.step,
                                    ", saved; --resume goes on"));
    }
  }
  bar.finish();
  write_run("done");
  log_info("time: " + times_.text());
  log_info(str("train: ", done_.step, " steps in ", duration_text(done_.seconds), "; best is step ",
               done_.best_step.value_or(done_.step), " -> ", (folder_.path() / "best").string(),
               "; peak memory ", gigabytes_text(peak_memory_bytes())));
}

StepReport Trainer::take_step(BatchLoader& loader) {
  // Every step has random numbers of its own: a resumed run draws what the whole one would have drawn.
  at::manual_seed(RandomStream(static_cast<std::uint64_t>(options_.seed), "train.step",
                               static_cast<std::uint64_t>(done_.step))
                      .next());
  bundle_.model->language().train(true);
  StepReport report;
  for (std::int64_t i = 0; i < options_.accumulation; ++i) {
    std::optional<TimeTable::Scope> scope(std::in_place, times_, "data");
    TrainingBatch loaded = loader.next();
    scope.emplace(times_, "encoders");
    data_.complete(loaded, features_);
    const TrainingBatch batch = moved_to(bundle_.model->device(), std::move(loaded));
    scope.reset();
    backward_micro_batch(*bundle_.model, batch, options_, done_.step, report, times_, &replay_,
                         &scaler_);
  }
  replay_.backward(*bundle_.model, features_, done_.step, times_, scaler_);
  return report;
}

double Trainer::evaluate_model() {
  const TimeTable::Scope scope(times_, "evaluation");
  const at::NoGradGuard no_grad;
  bundle_.model->language().train(false);
  const Ema::Averaged averaged(ema_);
  const MergedAdapters merged(bundle_, frozen_, precision_);
  EvaluationOptions evaluation;
  evaluation.generation.max_new_tokens = bundle_.options.max_new_tokens;
  evaluation.limit = options_.evaluate_limit;
  evaluation.precision = precision_;
  evaluation.show_progress = false;
  double sum = 0;
  for (const auto& [source, manifest] : validation_) {
    const Stopwatch watch;
    const Scores scores = evaluate(bundle_, manifest, source.split, features_, evaluation).scores;
    folder_.add_metrics({{"step", done_.step},
                         {"split", source.split},
                         {"manifest", source.manifest},
                         {"n", scores.n},
                         {"giou", scores.giou},
                         {"ciou", scores.ciou},
                         {"dice", scores.dice},
                         {"dice_over_targets", scores.dice_over_targets},
                         {"seg_count_accuracy", scores.seg_count_accuracy},
                         {"name_accuracy", scores.name_accuracy},
                         {"false_positive_rate", scores.false_positive_rate},
                         {"seconds", watch.seconds()}});
    log_info(str("step ", done_.step, " ", source.split, ": gIoU ", fixed(scores.giou, 3),
                 ", Dice over targets ", fixed(scores.dice_over_targets, 3), ", [SEG] count ",
                 fixed(scores.seg_count_accuracy, 3), ", names ", fixed(scores.name_accuracy, 3),
                 ", false positives ", fixed(scores.false_positive_rate, 3), " (",
                 fixed(watch.seconds(), 0), " s)"));
    const double score = options_.best == "giou"   ? scores.giou
                         : options_.best == "ciou" ? scores.ciou
                         : options_.best == "dice" ? scores.dice
                                                   : scores.dice_over_targets;
    sum += std::isfinite(score) ? score : 0.0;  // a split without any mask
  }
  return sum / static_cast<double>(validation_.size());
}

void Trainer::save(bool is_best) {
  const TimeTable::Scope scope(times_, "saving");
  if (is_best) done_.best_step = done_.step;
  save_checkpoint(folder_.checkpoint(done_.step), bundle_, frozen_, optimizer_, ema_, scaler_,
                  done_, write_options(config_), replay_.state());
  folder_.publish(done_.step, done_.best_step, options_.keep);
}

// What is not finite is left out; "dropped" says why.
void Trainer::write_step(const StepReport& report, const Update& update, double factor,
                         double seconds) {
  nlohmann::ordered_json line = {{"step", done_.step}};
  if (report.fault.empty()) {
    line["loss"] = report.total;
    line["loss_text"] = report.text;
    line["loss_bce"] = report.bce;
    line["loss_dice"] = report.dice;
  }
  if (update.moved) line["grad_norm"] = update.grad_norm;
  line["lr"] = options_.optimizer.lr * factor;
  line["tokens"] = report.tokens;
  line["labelled"] = report.labelled;
  line["masks"] = report.masks;
  line["samples"] = report.samples;
  if (!update.fault.empty()) line["dropped"] = update.fault;
  if (scaler_.is_on()) {
    line["loss_scale"] = update.loss_scale;
    line["skipped"] = scaler_.skipped();
  }
  line["seconds"] = seconds;
  folder_.add_metrics(line);
}

void Trainer::write_run(const std::string& state) {
  run_["state"] = state;
  run_["steps"] = done_.step;
  run_["seconds"] = done_.seconds;
  run_["updated"] = utc_now();
  run_["peak_memory_bytes"] = peak_memory_bytes();
  for (const auto& [part, seconds] : times_.parts()) run_["seconds_by_part"][part] = seconds;
  if (done_.dropped > 0) run_["dropped_steps"] = done_.dropped;
  if (scaler_.is_on()) run_["skipped_steps"] = scaler_.skipped();
  if (done_.best_step)
    run_["best"] = {{"step", *done_.best_step}, {"score", done_.best_score}, {"by", options_.best}};
  folder_.write_run(run_);
}

void Trainer::note_stop(const std::string& reason) {
  try {
    write_run("stopped: " + reason);
  } catch (const DataError&) {  // the disk may be what stopped it
  }
}

}  // namespace

void train(const TrainConfig& config, const TrainRequest& request) {
  check_train_config(config);
  Trainer trainer(config, request);
  try {
    trainer.run();
  } catch (const Error& error) {
    trainer.note_stop(error.what());
    throw;
  }
}

}  // namespace medseg
