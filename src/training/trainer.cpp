#include "medseg/training/trainer.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "bests.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/progress.h"
#include "medseg/base/random.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/comm/share.h"
#include "medseg/dataloader/coverage.h"
#include "medseg/dataloader/loader.h"
#include "medseg/dataloader/quarantine.h"
#include "medseg/models/llama.h"
#include "medseg/nn/precision.h"
#include "medseg/optim/gradient_buckets.h"
#include "medseg/optim/schedule.h"
#include "medseg/pipeline/feature_folder.h"
#include "medseg/training/checkpoint.h"
#include "medseg/training/losses.h"
#include "medseg/training/opening.h"
#include "medseg/training/report_sum.h"
#include "medseg/training/run_folder.h"
#include "medseg/training/run_view.h"
#include "medseg/training/step.h"
#include "medseg/training/step_profile.h"
#include "medseg/training/trained.h"
#include "medseg/training/update.h"
#include "run_facts.h"
#include "saving.h"
#include "validation.h"

namespace medseg {
namespace {

constexpr std::int64_t kCoveredDraws = 10'000'000;  // a second or two to count

// Which parameters replay trains too, after the micro-batches (replay.h).
bool is_replayed(const std::string& name) {
  return name.find("grounding_encoder.") != std::string::npos;
}

class Trainer {
 public:
  Trainer(const TrainConfig& config, const TrainRequest& request, Comm& comm);
  void run();
  /// Leaves the reason in run.json, if that can still be written.
  void note_stop(const std::string& reason);

 private:
  void begin_equal();
  SamplerOptions sampler_options() const;  ///< of all processes
  Sampler own_sampler() const;
  void leave_out(const std::vector<BadSample>& bad);
  StepReport take_step(BatchLoader& loader);
  void prepare_features();
  void after_step(bool last);
  NamedScores evaluate();
  void save(Progressed done, bool last_chance);
  void add_metrics(const nlohmann::ordered_json& line);
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
  Validation validation_;
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
      bundle_(open_for_training(config, comm_)),
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
      quarantine_(config_.data.quarantine_limit, request.out / "quarantine.jsonl", comm.leads()),
      validation_(config_, data_) {
  if (options_.standardise_vision) require_projector(optimizer_.parameters());
  const auto effective = write_options(config_);
  folder_.claim();
  const bool resumes = comm_.broadcast(request_.resume && folder_.last_step());
  if (resumes) {
    folder_.require_same_config(effective);
    if (comm_.leads()) log_to_file(folder_.path() / "log.txt");
    // Rank 0 sets damaged ones aside before the others look.
    const auto step = comm_.broadcast(comm_.leads() ? *folder_.newest_whole() : std::int64_t{0});
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
  forget_lost_bests(folder_, done_);
  if (resumed_) folder_.publish(done_.step, best_links(done_), options_.keep);
  folder_.require_room(checkpoint_bytes(bundle_, optimizer_, ema_, scaler_),
                       options_.keep + 1 + static_cast<std::int64_t>(options_.also_best.size()));
  seconds_before_ = done_.seconds;
  log_info(resumes ? str_cat("resume: goes on after step ", done_.step)
                   : "train: " + folder_.path().string());
  folder_.write_config(effective);
  view_.begin(done_.step, done_.owes_evaluation, effective);

  std::int64_t count = 0;
  for (const auto& parameter : optimizer_.parameters()) count += parameter.tensor.numel();
  log_info(str_cat("trains ", count, " numbers in ", optimizer_.parameters().size(), " tensors; ",
                   options_.precision, ", ", at::get_num_threads(), " threads",
                   comm_.is_alone() ? "" : str_cat(" in each of ", comm_.size(), " processes"),
                   ", ", at::get_cpu_capability()));
  for (const auto& line : data_.coverage()) log_info(line);
  const auto draws = options_.steps * options_.accumulation * options_.batch_size;
  const auto coverage = cover(data_, sampler_options(), std::min(draws, kCoveredDraws));
  for (const auto& line : coverage_lines(coverage)) log_info(line);
  if (const auto* kept = features_.folder())
    log_info(str_cat("features: kept in ", kept->path().string(), ", encoders ",
                     kept->form().encoders.substr(0, 16)));
  run_ = machine_facts();
  run_.update({{"command", request_.command},
               {"started", utc_now()},
               {"seed", options_.seed},
               {"processes", comm_.size()},
               {"resumed_after", done_.step},
               {"trained_numbers", count},
               {"records", data_.size()},
               {"coverage", coverage_json(coverage)}});
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
  for (const auto& text : comm_.all_gather(bad_samples_json(bad).dump()))
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

// Nothing is lost to a signal here: what was saved stands.
void Trainer::prepare_features() {
  times_.add({"loading", loading_.seconds(), recent_peak_bytes()});
  const TimeTable::Scope scope(times_, "features");
  try {
    data_.fill(features_, &comm_);
    if (options_.standardise_vision) standardise_vision(bundle_, data_, features_, comm_, resumed_);
    quarantine_.add(data_.bad());
  } catch (const Interrupted& error) {
    throw Error(error.exit_code(), "",
                str_cat(error.what(), " before a step was done; ",
                        resumed_ ? str_cat("--resume goes on after step ", done_.step)
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
    done_.seconds = comm_.broadcast(seconds_before_ + watch_.seconds());
    add_metrics(
        step_line(done_.step, options_, report, update, scaler_, factor, step_watch.seconds()));
    profile.end();
    bar.update(done_.step,
               str_cat("loss ", fixed(report.total, 3), "  text ", fixed(report.text, 3), "  bce ",
                       fixed(report.bce, 3), "  dice ", fixed(report.dice, 3), "  ",
                       fixed(step_watch.seconds(), 2), " s/step"));

    last = done_.step >= options_.steps ||
           (options_.time_limit_s > 0 && done_.seconds >= options_.time_limit_s);
    after_step(last);
  }
  bar.finish();
  write_run("done");
  view_.finish();
  view_.refresh_page(/*at_the_end=*/true);
  log_info("time: " + times_.text());
  log_info(str_cat("train: ", done_.step, " steps in ", duration_text(done_.seconds),
                   "; best is step ", done_.best_step.value_or(done_.step), " -> ",
                   (folder_.path() / "best").string(), "; peak memory ",
                   gigabytes_text(peak_memory_bytes())));
}

/// Evaluation and saves, when they are due. A signal stops the run here; an evaluation that it leaves undone is owed by the
/// run that goes on, so that both together do what one would have done.
void Trainer::after_step(bool last) {
  int signal = static_cast<int>(comm_.all_reduce_max(std::int64_t{caught_signal()}));
  Progressed done = done_;
  done.quarantined = quarantine_.list();
  done.owes_evaluation = !validation_.empty() && (due(options_.evaluate_every) || last);
  bool is_best = false;
  if (done.owes_evaluation && signal == 0) {
    try {
      take_bests(options_, evaluate(), done);
      done.owes_evaluation = false;
      is_best = best_links(done) != best_links(done_);
    } catch (const Interrupted& error) {
      signal = error.exit_code() - 128;
    }
  }
  if (last && validation_.empty()) done.best_step = done.step;
  if (comm_.broadcast(is_best || due(options_.save_every) || last || signal != 0 ||
                      saving_.owed(done.step)))
    save(std::move(done), last || signal != 0);
  if (signal != 0) {
    throw Error(128 + signal, "",
                str_cat("stopped by signal ", signal, " after step ", done_.step,
                        ", saved; --resume goes on"));
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

NamedScores Trainer::evaluate() {
  const TimeTable::Scope scope(times_, "evaluation");
  const auto result =
      validation_.run(done_.step, bundle_, frozen_, ema_, features_, precision_, comm_);
  for (const auto& line : result.lines) add_metrics(line);  // all splits or none
  view_.show(done_.step, result.shown);
  view_.refresh_page();
  return result.scores;
}

void Trainer::save(Progressed done, bool last_chance) {
  const TimeTable::Scope scope(times_, "saving");
  const AdamW::Gathered gathered(optimizer_);
  const bool saved = comm_.broadcast(!comm_.leads() || saving_.attempt(done.step, last_chance, [&] {
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

void Trainer::write_run(const std::string& state) {
  run_["state"] = state;
  add_progress(run_, options_, done_, times_);
  run_["features"] = write_options(features_.counts());
  if (!comm_.is_alone()) {
    run_["gradient_buckets"] = {{"count", buckets_.bucket_count()},
                                {"sent_during_backward", buckets_.sent_during_backward()}};
  }
  if (!quarantine_.list().empty()) run_["quarantined_records"] = quarantine_.list().size();
  if (scaler_.is_on()) run_["skipped_steps"] = scaler_.skipped();
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
