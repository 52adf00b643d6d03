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
#include "medseg/base/host.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/progress.h"
#include "medseg/base/random.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/comm/share.h"
#include "medseg/inference/evaluator.h"
#include "medseg/nn/precision.h"
#include "medseg/pipeline/feature_folder.h"
#include "medseg/training/checkpoint.h"
#include "medseg/training/coverage.h"
#include "medseg/training/gradient_buckets.h"
#include "medseg/training/loader.h"
#include "medseg/training/quarantine.h"
#include "medseg/training/report_sum.h"
#include "medseg/training/run_folder.h"
#include "medseg/training/run_view.h"
#include "medseg/training/schedule.h"
#include "medseg/training/step.h"
#include "medseg/training/step_profile.h"
#include "medseg/training/update.h"
#include "saving.h"

namespace medseg {
namespace {

constexpr std::int64_t kCoveredDraws = 10'000'000;  // a second or two to count

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
  bundle.model->language().checkpoint_layers(config.train.activation_checkpointing == "blocks");
  move_to(*bundle.model, device);
  if (!device.is_cpu()) return bundle;  // there the encoders' plain passes run
  if (bundle.model->has_grounding()) bundle.model->grounding().encoder().prepare_frozen();
  if (bundle.model->has_vision()) bundle.model->vision().prepare_frozen();
  return bundle;
}

FeatureCacheOptions cache_options(const DataOptions& data, at::ScalarType precision,
                                  std::uint64_t keep_free_bytes) {
  FeatureCacheOptions options{
      .precision = precision,
      .limit_bytes = static_cast<std::uint64_t>(data.cache_gb * 1e9),
      .folder = data.cache_dir,
      .keep_free_bytes = std::max<std::uint64_t>(keep_free_bytes, 1'000'000'000)};
  if (!data.cache_dtype.empty())
    options.storage = precision_named("data.cache_dtype", data.cache_dtype);
  return options;
}

nlohmann::ordered_json host_json() {
  const HostFacts host = host_facts();
  return {{"cpu", host.cpu},
          {"cores", host.cores},
          {"processors", host.processors},
          {"memory_bytes", host.memory_bytes},
          {"system", host.system},
          {"gpu", gpu_text(host)},
          {"compiler", __VERSION__}};
}

// The step must have a part for every process, and all processes the same numbers to begin with.
Comm& checked(Comm& comm, const TrainConfig& config) {
  if (comm.is_alone()) return comm;
  const auto& train = config.train;
  comm.set_timeout(train.distributed.timeout_s);
  if (device_named("train.device", train.device).is_cuda())
    throw ConfigError(str("train.device: \"cuda\", but ", comm.size(),
                          " processes need NCCL there, which this build lacks"));
  if (train.accumulation < comm.size()) {
    throw ConfigError(str("train.accumulation: ", train.accumulation, " micro-batches a step for ",
                          comm.size(),
                          " processes; a smaller train.batch_size with more "
                          "accumulation is the same step"));
  }
  if (train.accumulation % comm.size() != 0) {
    log_warning(str("train.accumulation: ", train.accumulation,
                    " micro-batches do not divide evenly among ", comm.size(),
                    " processes: some will wait"));
  }
  return comm;
}

// Which parameters replay trains too, after the micro-batches (replay.h).
bool is_replayed(const std::string& name) {
  return name.find("grounding_encoder.") != std::string::npos;
}

/// A score's name as in the config, and its mean over the validation sources.
using NamedScores = std::vector<std::pair<std::string, double>>;

class Trainer {
 public:
  Trainer(const TrainConfig& config, const TrainRequest& request, Comm& comm);
  void run();
  /// Leaves the reason in run.json, if that can still be written.
  void note_stop(const std::string& reason);

 private:
  void forget_lost_bests();
  void begin_equal();
  SamplerOptions sampler_options() const;  ///< of all processes
  Sampler own_sampler() const;
  void leave_out(const std::vector<BadSample>& bad);
  bool trains(const std::string& prefix) const;
  void standardise_vision();
  StepReport take_step(BatchLoader& loader);
  void prepare_features();
  void after_step(bool last);
  NamedScores evaluate_model();
  void take_bests(const NamedScores& scores, Progressed& done) const;
  void save(Progressed done, bool last_chance);
  void add_metrics(const nlohmann::ordered_json& line);
  void write_step(const StepReport& report, const Update& update, double factor, double seconds);
  void write_run(const std::string& state);
  std::uint64_t checkpoints_bytes();
  bool due(std::int64_t every) const { return every > 0 && done_.step % every == 0; }

  Stopwatch loading_;
  TrainConfig config_;
  const TrainOptions& options_;
  TrainRequest request_;
  Comm& comm_;
  RunFolder folder_;
  RunView view_;
  at::ScalarType precision_;
  OpenBundle bundle_;
  AdamW optimizer_;
  GradientBuckets buckets_;
  Ema ema_;
  GradScaler scaler_;
  FrozenStorage frozen_;
  TrainingSet data_;
  FeatureCache features_;
  MaskReplay replay_;
  Quarantine quarantine_;
  std::vector<std::pair<DataSource, Manifest>> validation_;
  Progressed done_;
  Saving saving_;
  TimeTable times_;
  Stopwatch watch_;
  bool resumed_ = false;
  double seconds_before_ = 0;  ///< of the runs that this one goes on with
  nlohmann::json run_;
};

Trainer::Trainer(const TrainConfig& config, const TrainRequest& request, Comm& comm)
    : config_(config),
      options_(config_.train),
      request_(request),
      comm_(checked(comm, config_)),
      folder_(request.out, comm.leads()),
      view_(request.out, comm.leads()),
      precision_(precision_named("train.precision", options_.precision)),
      bundle_(open_for_training(config)),
      optimizer_(options_.optimizer, choose_trained(bundle_, options_), &comm),
      buckets_(
          comm, optimizer_.parameters(),
          [this](const std::string& name) {
            return options_.replay.masks > 0 && is_replayed(name);
          },
          static_cast<std::int64_t>(options_.distributed.bucket_mb * 1048576.0)),
      ema_(options_.ema.decay, optimizer_.parameters()),
      scaler_(options_.scaler, precision_ == at::kHalf, bundle_.model->device()),
      frozen_(bundle_, precision_, options_.frozen_storage),
      data_(config_.data, bundle_, static_cast<std::uint64_t>(options_.seed)),
      features_(*bundle_.model, bundle_.options,
                cache_options(config_.data, precision_, checkpoints_bytes())),
      replay_(options_, data_),
      quarantine_(config_.data.quarantine_limit, request.out / "quarantine.jsonl", comm.leads()) {
  for (const auto& source : config_.data.validation) {
    validation_.emplace_back(source, data_.read_manifest(source.manifest));
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
  folder_.claim();
  const bool resumes = comm_.from_first(request_.resume && folder_.last_step());
  if (resumes) {
    folder_.require_same_config(effective);
    if (comm_.leads()) log_to_file(folder_.path() / "log.txt");
    // Rank 0 sets damaged ones aside before the others look.
    const auto step = comm_.from_first(comm_.leads() ? *folder_.newest_whole() : std::int64_t{0});
    const auto from = folder_.checkpoint(step);
    done_ = load_checkpoint(from, optimizer_, ema_, scaler_);
    replay_.restore(load_replay(from));
    folder_.compare_data(data_.manifest_hashes());
    quarantine_.restore(done_.quarantined);
    data_.know_bad(done_.quarantined);
    folder_.rewind(done_.step, done_.owes_evaluation);
    resumed_ = true;
  } else {
    folder_.create();
    if (comm_.leads()) log_to_file(folder_.path() / "log.txt");
  }
  quarantine_.add(data_.bad());
  begin_equal();
  forget_lost_bests();
  folder_.require_room(checkpoint_bytes(bundle_, optimizer_, ema_, scaler_),
                       options_.keep + 1 + static_cast<std::int64_t>(options_.also_best.size()));
  seconds_before_ = done_.seconds;
  log_info(resumes ? str("resume: goes on after step ", done_.step)
                   : "train: " + folder_.path().string());
  folder_.write_config(effective);
  view_.begin(done_.step, done_.owes_evaluation, effective);

  std::int64_t count = 0;
  for (const auto& parameter : optimizer_.parameters()) count += parameter.tensor.numel();
  log_info(str("trains ", count, " numbers in ", optimizer_.parameters().size(), " tensors; ",
               options_.precision, ", ", at::get_num_threads(), " threads",
               comm_.is_alone() ? "" : str(" in each of ", comm_.size(), " processes"), ", ",
               at::get_cpu_capability()));
  for (const auto& line : data_.coverage()) log_info(line);
  const auto draws = options_.steps * options_.accumulation * options_.batch_size;
  const auto coverage = cover(data_, sampler_options(), std::min(draws, kCoveredDraws));
  for (const auto& line : coverage_lines(coverage)) log_info(line);
  if (const auto* kept = features_.folder())
    log_info(str("features: kept in ", kept->path().string(), ", encoders ",
                 kept->form().encoders.substr(0, 16)));
  run_ = {{"command", request_.command},
          {"version", "0.1.0"},
          {"started", utc_now()},
          {"seed", options_.seed},
          {"torch", TORCH_VERSION},
          {"threads", at::get_num_threads()},
          {"processes", comm_.size()},
          {"cpu_capability", at::get_cpu_capability()},
          {"host", host_json()},
          {"resumed_after", done_.step},
          {"trained_numbers", count},
          {"records", data_.size()},
          {"coverage", coverage_json(coverage)}};
  for (const auto& [path, hash] : data_.manifest_hashes())
    run_["data"].push_back({{"manifest", path}, {"sha256", hash}});
  write_run("running");
}

// Every rank has read the same files; the same bits are worth a message all the same.
void Trainer::begin_equal() {
  if (comm_.is_alone()) return;
  const at::NoGradGuard no_grad;
  for (const auto& parameter : optimizer_.parameters()) {
    auto values = parameter.tensor.detach();
    comm_.broadcast(values, 0);
  }
}

// What any rank left out in a step, all leave out: lists, limits and checkpoints are the same.
void Trainer::leave_out(const std::vector<BadSample>& bad) {
  if (config_.data.on_bad_sample != "quarantine") return;
  for (const auto& text : comm_.gather(bad_samples_json(bad).dump()))
    quarantine_.add(bad_samples_of(nlohmann::json::parse(text)));
}

/// What this run's checkpoints may take at once: room that kept features must leave.
std::uint64_t Trainer::checkpoints_bytes() {
  if (config_.data.cache_dir.empty()) return 0;
  const auto at_once = options_.keep + 2 + static_cast<std::int64_t>(options_.also_best.size());
  return static_cast<std::uint64_t>(at_once) * checkpoint_bytes(bundle_, optimizer_, ema_, scaler_);
}

SamplerOptions Trainer::sampler_options() const {
  return {.visits = data_.visits(),
          .lengths = data_.lengths(),
          .batch_size = options_.batch_size,
          .shuffle = config_.data.shuffle,
          .group_by_length = config_.data.group_by_length,
          .seed = static_cast<std::uint64_t>(options_.seed),
          .sources = data_.sources(),
          .shares = data_.shares()};
}

// Goes on where the run is, with the micro-batches that this process takes.
Sampler Trainer::own_sampler() const {
  auto options = sampler_options();
  if (!comm_.is_alone()) {
    const auto samples = [this](std::int64_t micro_batches) {
      return static_cast<std::uint64_t>(micro_batches * options_.batch_size);
    };
    const auto share = share_of(options_.accumulation, comm_);
    options.period = samples(options_.accumulation);
    options.first = samples(share.first);
    options.end = samples(share.end);
  }
  Sampler sampler(std::move(options));
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
  comm_.broadcast(mean, 0);
  comm_.broadcast(deviation, 0);
  bundle_.model->standardise_vision(mean, deviation, trained && !resumed_);
}

// Links of the scores that this run keeps the best checkpoints by.
std::map<std::string, std::int64_t> best_links(const Progressed& done) {
  std::map<std::string, std::int64_t> links;
  if (done.best_step) links["best"] = *done.best_step;
  for (const auto& [name, best] : done.also_best) links["best-" + name] = best.step;
  return links;
}

// Where a run goes on from an older checkpoint than its newest, the best of that time may be gone already.
void Trainer::forget_lost_bests() {
  const auto lost = [this](std::int64_t step) {
    return !std::filesystem::exists(folder_.checkpoint(step) / "training.json");
  };
  if (done_.best_step && lost(*done_.best_step)) {
    done_.best_step.reset();
    done_.best_score = -1;
  }
  std::erase_if(done_.also_best, [&](const auto& best) { return lost(best.second.step); });
  if (resumed_) folder_.publish(done_.step, best_links(done_), options_.keep);
}

// Nothing is lost to a signal here: what was saved stands.
void Trainer::prepare_features() {
  times_.add({"loading", loading_.seconds(), recent_peak_bytes()});
  const TimeTable::Scope scope(times_, "features");
  try {
    data_.fill(features_, &comm_);
    if (options_.standardise_vision) standardise_vision();
    quarantine_.add(data_.bad());
  } catch (const Interrupted& error) {
    throw Error(error.exit_code(), str(error.what(), " before a step was done; ",
                                       resumed_ ? str("--resume goes on after step ", done_.step)
                                                : std::string("nothing was to be saved")));
  }
}

/// The loop: steps, and what is due after each.
void Trainer::run() {
  const SignalWatch signals;
  prepare_features();
  const auto device = bundle_.model->device();
  Sampler sampler = own_sampler();
  BatchLoader loader(
      [&](const auto& draws) {
        auto batch = data_.load(draws, features_);
        if (options_.loss.boundary > 0) add_distances(batch.truths);
        return pinned_for(device, std::move(batch));
      },
      std::move(sampler), options_.batch_size, config_.data.workers);
  Progress bar("train", options_.steps);
  StepProfile profile(folder_.path() / "trace.json", comm_.leads() ? request_.profile : 0,
                      device.is_cuda(), times_);
  const auto total_steps =
      options_.schedule.total_steps > 0 ? options_.schedule.total_steps : options_.steps;
  bool last = done_.step >= options_.steps;
  if (done_.owes_evaluation) after_step(last);
  while (!last) {
    const Stopwatch step_watch;
    profile.begin(done_.step + 1);
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
    done_.seconds = comm_.from_first(seconds_before_ + watch_.seconds());
    write_step(report, update, factor, step_watch.seconds());
    profile.end();
    bar.update(done_.step, str("loss ", fixed(report.total, 3), "  text ", fixed(report.text, 3),
                               "  bce ", fixed(report.bce, 3), "  dice ", fixed(report.dice, 3),
                               "  ", fixed(step_watch.seconds(), 2), " s/step"));

    last = done_.step >= options_.steps ||
           (options_.time_limit_s > 0 && done_.seconds >= options_.time_limit_s);
    after_step(last);
  }
  bar.finish();
  write_run("done");
  view_.finish();
  view_.refresh_page(/*at_the_end=*/true);
  log_info("time: " + times_.text());
  log_info(str("train: ", done_.step, " steps in ", duration_text(done_.seconds), "; best is step ",
               done_.best_step.value_or(done_.step), " -> ", (folder_.path() / "best").string(),
               "; peak memory ", gigabytes_text(peak_memory_bytes())));
}

/// Evaluation and saves, when they are due. A signal stops the run here; an evaluation that it leaves undone is owed by the
/// run that goes on, so that both together do what one would have done.
void Trainer::after_step(bool last) {
  int signal = static_cast<int>(comm_.largest(std::int64_t{caught_signal()}));
  Progressed done = done_;
  done.quarantined = quarantine_.list();
  done.owes_evaluation = !validation_.empty() && (due(options_.evaluate_every) || last);
  bool is_best = false;
  if (done.owes_evaluation && signal == 0) {
    try {
      take_bests(evaluate_model(), done);
      done.owes_evaluation = false;
      is_best = best_links(done) != best_links(done_);
    } catch (const Interrupted& error) {
      signal = error.exit_code() - 128;
    }
  }
  if (last && validation_.empty()) done.best_step = done.step;
  if (comm_.from_first(is_best || due(options_.save_every) || last || signal != 0 ||
                       saving_.owed(done.step)))
    save(std::move(done), last || signal != 0);
  if (signal != 0) {
    throw Error(128 + signal, str("stopped by signal ", signal, " after step ", done_.step,
                                  ", saved; --resume goes on"));
  }
}

void Trainer::take_bests(const NamedScores& scores, Progressed& done) const {
  for (const auto& [name, score] : scores) {
    if (name == options_.best && score > done.best_score) {
      done.best_score = score;
      done.best_step = done.step;
    }
    const auto& also = options_.also_best;
    if (std::find(also.begin(), also.end(), name) == also.end()) continue;
    auto& best = done.also_best[name];
    if (score > best.score) best = {done.step, score};
  }
}

StepReport Trainer::take_step(BatchLoader& loader) {
  // Every step has random numbers of its own: a resumed run draws what the whole one would have drawn.
  at::manual_seed(RandomStream(static_cast<std::uint64_t>(options_.seed), "train.step",
                               static_cast<std::uint64_t>(done_.step))
                      .next());
  bundle_.model->language().train(true);
  StepReport report;
  std::vector<BadSample> bad;
  const auto share = share_of(options_.accumulation, comm_);
  for (auto i = share.first; i < share.end; ++i) {
    if (i > 0) {  // so does every micro-batch: it does not matter which process takes it
      at::manual_seed(
          RandomStream(static_cast<std::uint64_t>(options_.seed), "train.micro_batch",
                       static_cast<std::uint64_t>(done_.step * options_.accumulation + i))
              .next());
    }
    std::optional<TimeTable::Scope> scope(std::in_place, times_, "data");
    TrainingBatch loaded = loader.next();
    quarantine_.add(loaded.bad);
    bad.insert(bad.end(), loaded.bad.begin(), loaded.bad.end());
    scope.emplace(times_, "encoders");
    data_.complete(loaded, features_);
    const TrainingBatch batch = moved_to(bundle_.model->device(), std::move(loaded));
    scope.reset();
    if (i + 1 == share.end) buckets_.begin();
    backward_micro_batch(*bundle_.model, batch, options_, done_.step, report, times_, &replay_,
                         &scaler_);
  }
  if (replay_.is_on()) {
    buckets_.finish_early();
    const auto found =
        replay_.backward(*bundle_.model, features_, done_.step, times_, scaler_, comm_);
    quarantine_.add(found);  // by all ranks alike
  }
  if (!comm_.is_alone()) {
    const TimeTable::Scope scope(times_, "waiting for gradients");
    buckets_.finish();
    sum_reports(report, comm_);
    leave_out(bad);
  }
  return report;
}

NamedScores Trainer::evaluate_model() {
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
  evaluation.comm = &comm_;
  NamedScores sums;
  std::vector<nlohmann::ordered_json> lines;
  std::vector<ShownSource> shown;
  for (const auto& [source, manifest] : validation_) {
    const Stopwatch watch;
    const Evaluation answered = evaluate(bundle_, manifest, source.split, features_, evaluation);
    const Scores& scores = answered.scores;
    shown.push_back(
        {source.split, source.manifest, shown_answers(answered, manifest, options_.show_answers)});
    lines.push_back({{"step", done_.step},
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
    const NamedScores named = {{"dice_over_targets", scores.dice_over_targets},
                               {"giou", scores.giou},
                               {"ciou", scores.ciou},
                               {"dice", scores.dice}};
    for (std::size_t i = 0; i < named.size(); ++i) {
      if (sums.size() <= i) sums.emplace_back(named[i].first, 0.0);
      if (std::isfinite(named[i].second)) sums[i].second += named[i].second;  // a split has masks
    }
  }
  for (const auto& line : lines) add_metrics(line);  // all splits or none
  view_.show(done_.step, shown);
  view_.refresh_page();
  for (auto& [name, sum] : sums) sum /= static_cast<double>(validation_.size());
  return sums;
}

void Trainer::save(Progressed done, bool last_chance) {
  const TimeTable::Scope scope(times_, "saving");
  const AdamW::Gathered gathered(optimizer_);
  const bool saved =
      comm_.from_first(!comm_.leads() || saving_.attempt(done.step, last_chance, [&] {
        folder_.sync_metrics();  // history first: a checkpoint never knows of steps that it lacks
        save_checkpoint(folder_.checkpoint(done.step), bundle_, frozen_, optimizer_, ema_, scaler_,
                        done, write_options(config_), replay_.state());
        folder_.publish(done.step, best_links(done), options_.keep);
      }));
  view_.sync();
  view_.refresh_page();
  if (saved) done_ = std::move(done);
}

void Trainer::add_metrics(const nlohmann::ordered_json& line) {
  folder_.add_metrics(line);
  view_.add_metrics(line);
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
    if (options_.loss.focal > 0) line["loss_focal"] = report.focal;
    if (options_.loss.boundary > 0) line["loss_boundary"] = report.boundary;
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
  add_metrics(line);
}

void Trainer::write_run(const std::string& state) {
  run_["state"] = state;
  run_["steps"] = done_.step;
  run_["seconds"] = done_.seconds;
  run_["updated"] = utc_now();
  run_["peak_memory_bytes"] = peak_memory_bytes();
  for (const auto& part : times_.parts()) {
    auto& noted = run_["parts"][part.name];
    noted = {{"seconds", part.seconds}, {"peak_memory_bytes", part.peak_bytes}};
    if (part.flops > 0) noted["flops"] = part.flops;
  }
  run_["features"] = write_options(features_.counts());
  if (!comm_.is_alone()) {
    run_["gradient_buckets"] = {{"count", buckets_.bucket_count()},
                                {"sent_during_backward", buckets_.sent_during_backward()}};
  }
  if (done_.dropped > 0) run_["dropped_steps"] = done_.dropped;
  if (!quarantine_.list().empty()) run_["quarantined_records"] = quarantine_.list().size();
  if (scaler_.is_on()) run_["skipped_steps"] = scaler_.skipped();
  if (done_.best_step)
    run_["best"] = {{"step", *done_.best_step}, {"score", done_.best_score}, {"by", options_.best}};
  for (const auto& [name, best] : done_.also_best)
    run_["also_best"][name] = {{"step", best.step}, {"score", best.score}};
  folder_.write_run(run_);
}

void Trainer::note_stop(const std::string& reason) {
  try {
    write_run("stopped: " + reason);
    view_.refresh_page(/*at_the_end=*/true);
  } catch (const DataError&) {  // the disk may be what stopped it
  }
}

}  // namespace

void train(const TrainConfig& config, const TrainRequest& request) {
  const auto alone = one_process();
  train(config, request, *alone);
}

void train(const TrainConfig& config, const TrainRequest& request, Comm& comm) {
  check_train_config(config);
  Trainer trainer(config, request, comm);
  try {
    trainer.run();
  } catch (const Error& error) {
    trainer.note_stop(error.what());
    throw;
  }
}

}  // namespace medseg
