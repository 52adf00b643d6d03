#include "medseg/training/trainer.h"

#include <memory>
#include <optional>
#include <variant>

#include <ATen/ATen.h>

#include "bests.h"
#include "claimed_run.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/progress.h"
#include "medseg/base/random.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "medseg/comm/share.h"
#include "medseg/dataloader/feature_filling.h"
#include "medseg/dataloader/loader.h"
#include "medseg/models/llama.h"
#include "medseg/optim/schedule.h"
#include "medseg/training/losses.h"
#include "medseg/training/opening.h"
#include "medseg/training/report_sum.h"
#include "medseg/training/step.h"
#include "medseg/training/step_profile.h"
#include "medseg/training/update.h"
#include "opened_run.h"
#include "run_facts.h"
#include "saving.h"
#include "training_hashes.h"

namespace medseg {
namespace {

/// The loop over an opened run, and what is due after each step.
class Trainer {
 public:
  /// `facts`: the beginning of run.json; `loading`: runs since the run began to load. All must
  /// outlive the trainer.
  Trainer(const TrainConfig& config, const TrainRequest& request, Comm& comm, RunFolder& folder,
          OpenedRun& run, nlohmann::json& facts, const Stopwatch& loading)
      : config_(config),
        options_(config.train),
        request_(request),
        comm_(comm),
        folder_(folder),
        run_(run),
        done_(run.done),
        facts_(facts),
        loading_(loading),
        seconds_before_(run.done.seconds) {}
  void run();
  /// Leaves the reason in run.json, if that can still be written.
  void note_stop(const std::string& reason);

 private:
  void prepare_features();
  StepReport take_step(BatchLoader& loader);
  void leave_out(const std::vector<BadSample>& bad);
  void after_step(bool last);
  NamedScores evaluate();
  void save(Progressed done, bool last_chance);
  void add_metrics(const nlohmann::ordered_json& line);
  void write_run(const std::string& state);
  bool due(std::int64_t every) const { return every > 0 && done_.step % every == 0; }

  const TrainConfig& config_;
  const TrainOptions& options_;
  const TrainRequest& request_;
  Comm& comm_;
  RunFolder& folder_;
  OpenedRun& run_;
  Progressed& done_;
  nlohmann::json& facts_;
  const Stopwatch& loading_;
  double seconds_before_;  ///< of the runs that this one goes on with
  Saving saving_;
  TimeTable times_;
  Stopwatch watch_;
};

// What any rank left out in a step, all leave out: lists, limits and checkpoints are the same.
void Trainer::leave_out(const std::vector<BadSample>& bad) {
  if (config_.data.on_bad_sample != OnBadSample::kQuarantine) return;
  for (const auto& text : comm_.all_gather(bad_samples_json(bad).dump()))
    run_.quarantine.add(bad_samples_of(nlohmann::json::parse(text)));
}

// Nothing is lost to a signal here: what was saved stands.
void Trainer::prepare_features() {
  times_.add({"loading", loading_.seconds(), recent_peak_bytes()});
  const TimeTable::Scope scope(times_, "features");
  try {
    fill_features(run_.data, run_.features, &comm_);
    if (options_.standardise_vision)
      standardise_vision(run_.bundle, run_.data, run_.features, comm_, run_.resumed);
    run_.quarantine.add(run_.bad_records());
  } catch (const Interrupted& error) {
    throw Error(error.exit_code(), "",
                str_cat(error.what(), " before a step was done; ",
                        run_.resumed ? str_cat("--resume goes on after step ", done_.step)
                                     : std::string("nothing was to be saved")));
  }
}

// The loop: steps, and what is due after each.
void Trainer::run() {
  const SignalWatch signals(
      "\nstopping: this step is finished, then saved; --resume goes on (again: at once)\n");
  write_run("running");
  if (comm_.leads()) keep_training_hashes(folder_.path(), config_);
  prepare_features();
  const auto device = run_.bundle.model->device();
  BatchLoader loader(
      [&](const auto& draws) {
        auto loaded = run_.batches.load(draws);
        if (auto* batch = std::get_if<TrainingBatch>(&loaded.content)) {
          if (options_.loss.boundary > 0) add_distances(batch->truths);
          *batch = pinned_for(device, std::move(*batch));
        }
        return loaded;
      },
      own_sampler(run_.data, options_, comm_, done_.drawn), options_.batch_size,
      config_.data.workers);
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
      update = apply_gradients(options_, done_.step, factor, report, run_.optimizer, run_.ema,
                               run_.scaler, done_.dropped);
    }
    ++done_.step;
    done_.drawn += static_cast<std::uint64_t>(report.samples);
    done_.seconds = comm_.broadcast(seconds_before_ + watch_.seconds());
    add_metrics(
        step_line(done_.step, options_, report, update, run_.scaler, factor, step_watch.seconds()));
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
  run_.view.finish();
  run_.view.refresh_page(/*at_the_end=*/true);
  log_info("time: " + times_.text());
  log_info(str_cat("train: ", done_.step, " steps in ", duration_text(done_.seconds),
                   "; best is step ", done_.best_step.value_or(done_.step), " -> ",
                   (folder_.path() / "best").string(), "; peak memory ",
                   gigabytes_text(peak_memory_bytes())));
}

// Evaluation and saves, when they are due. A signal stops the run here. An evaluation that it
// leaves undone is owed by the resumed run, so that both together do what one run would have done.
void Trainer::after_step(bool last) {
  int signal = static_cast<int>(comm_.all_reduce_max(std::int64_t{caught_signal()}));
  Progressed done = done_;
  done.quarantined = run_.quarantine.list();
  done.owes_evaluation = !run_.validation.empty() && (due(options_.evaluate_every) || last);
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
  if (last && run_.validation.empty()) done.best_step = done.step;
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
  // Every step has random numbers of its own: a resumed run draws what the whole run would have
  // drawn.
  at::manual_seed(RandomStream(static_cast<std::uint64_t>(options_.seed), "train.step",
                               static_cast<std::uint64_t>(done_.step))
                      .next());
  run_.bundle.model->language().train(true);
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
    LoadedBatch loaded = loader.next();
    run_.quarantine.add(loaded.bad);
    bad.insert(bad.end(), loaded.bad.begin(), loaded.bad.end());
    scope.emplace(times_, "encoders");
    const TrainingBatch batch =
        moved_to(run_.bundle.model->device(), run_.batches.complete(std::move(loaded)));
    scope.reset();
    if (i + 1 == share.end) run_.buckets.begin();
    backward_micro_batch(*run_.bundle.model, batch, options_, done_.step, report, times_,
                         &run_.replay, &run_.scaler);
  }
  if (run_.replay.is_on()) {
    run_.buckets.finish_early();
    const auto found = run_.replay.backward(*run_.bundle.model, run_.features, done_.step, times_,
                                            run_.scaler, comm_);
    run_.quarantine.add(found);  // by all ranks alike
  }
  if (!comm_.is_alone()) {
    const TimeTable::Scope scope(times_, "waiting for gradients");
    run_.buckets.finish();
    sum_reports(report, comm_);
    leave_out(bad);
  }
  return report;
}

NamedScores Trainer::evaluate() {
  const TimeTable::Scope scope(times_, "evaluation");
  const auto result = run_.validation.run(done_.step, run_.bundle, run_.frozen, run_.ema,
                                          run_.features, run_.precision, comm_);
  for (const auto& line : result.lines) add_metrics(line);  // all splits or none
  run_.view.show(done_.step, result.shown);
  run_.view.refresh_page();
  return result.scores;
}

void Trainer::save(Progressed done, bool last_chance) {
  const TimeTable::Scope scope(times_, "saving");
  const AdamW::Gathered gathered(run_.optimizer);
  const bool saved = comm_.broadcast(!comm_.leads() || saving_.attempt(done.step, last_chance, [&] {
    folder_.sync_metrics();  // history first: a checkpoint never knows of steps that it lacks
    save_checkpoint(folder_.checkpoint(done.step), run_.bundle, run_.frozen, run_.optimizer,
                    run_.ema, run_.scaler, done, write_options(config_), run_.replay.state());
    folder_.publish(done.step, best_links(done), options_.keep);
  }));
  run_.view.sync();
  run_.view.refresh_page();
  if (saved) done_ = std::move(done);
}

void Trainer::add_metrics(const nlohmann::ordered_json& line) {
  folder_.add_metrics(line);
  run_.view.add_metrics(line);
}

void Trainer::write_run(const std::string& state) {
  facts_["state"] = state;
  add_progress(facts_, options_, done_, times_);
  facts_["features"] = write_options(run_.features.counts());
  if (!comm_.is_alone()) {
    facts_["gradient_buckets"] = {{"count", run_.buckets.bucket_count()},
                                  {"sent_during_backward", run_.buckets.sent_during_backward()}};
  }
  if (!run_.quarantine.list().empty())
    facts_["quarantined_records"] = run_.quarantine.list().size();
  if (run_.scaler.is_on()) facts_["skipped_steps"] = run_.scaler.skipped();
  folder_.write_run(facts_);
}

void Trainer::note_stop(const std::string& reason) {
  try {
    write_run("stopped: " + reason);
    run_.view.refresh_page(/*at_the_end=*/true);
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
  const Stopwatch loading;
  prepare_comm(comm, config);
  ClaimedRun claimed(config, request, comm);
  OpenedRun run(config, request, comm, claimed);
  auto facts = describe_run(run, config, request, comm);
  Trainer trainer(config, request, comm, claimed.folder(), run, facts, loading);
  try {
    trainer.run();
  } catch (const Error& error) {
    trainer.note_stop(error.what());
    throw;
  }
}

}  // namespace medseg
