#include "opened_run.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "bests.h"
#include "medseg/base/clock.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataloader/coverage.h"
#include "medseg/nn/precision.h"
#include "medseg/pipeline/feature_folder.h"
#include "medseg/training/opening.h"
#include "medseg/training/trained.h"
#include "run_facts.h"

namespace medseg {
namespace {

constexpr std::int64_t kCoveredDraws = 10'000'000;  // a second or two to count

// Which parameters replay trains too, after the micro-batches (replay.h).
bool is_replayed(const std::string& name) {
  return name.find("grounding_encoder.") != std::string::npos;
}

GradientBuckets make_buckets(const TrainOptions& options, const AdamW& optimizer, Comm& comm) {
  const bool replays = options.replay.masks > 0;
  return {comm, optimizer.parameters(),
          [replays](const std::string& name) { return replays && is_replayed(name); },
          static_cast<std::int64_t>(options.distributed.bucket_mb * 1048576.0)};
}

// What the checkpoints of this run may take at once: room that kept features must leave.
std::uint64_t bytes_to_keep_free(const TrainConfig& config, OpenBundle& bundle,
                                 const AdamW& optimizer, const Ema& ema, const GradScaler& scaler) {
  if (config.data.cache_dir.empty()) return 0;
  const auto& options = config.train;
  const auto at_once = options.keep + 2 + static_cast<std::int64_t>(options.also_best.size());
  return static_cast<std::uint64_t>(at_once) * checkpoint_bytes(bundle, optimizer, ema, scaler);
}

// Every rank has read the same files. Sending the values once makes sure that the bits are equal.
void begin_equal(const AdamW& optimizer, Comm& comm) {
  if (comm.is_alone()) return;
  const at::NoGradGuard no_grad;
  for (const auto& parameter : optimizer.parameters()) {
    auto values = parameter.tensor.detach();
    comm.broadcast(values, 0);
  }
}

}  // namespace

OpenedRun::OpenedRun(const TrainConfig& config, const TrainRequest& request, Comm& comm,
                     ClaimedRun& claimed)
    : precision(dtype_of(config.train.precision)),
      bundle(open_for_training(config, comm)),
      optimizer(config.train.optimizer, choose_trained(bundle, config.train), &comm),
      buckets(make_buckets(config.train, optimizer, comm)),
      ema(config.train.ema.decay, optimizer.parameters()),
      scaler(config.train.scaler, precision == at::kHalf, bundle.model->device()),
      frozen(bundle, precision, config.train.frozen_storage),
      data(config.data, bundle),
      features(*bundle.model, bundle.options,
               cache_options(config.data, precision,
                             bytes_to_keep_free(config, bundle, optimizer, ema, scaler))),
      batches(data, features, static_cast<std::uint64_t>(config.train.seed)),
      replay(config.train, data),
      validation(config),
      quarantine(config.data.quarantine_limit, request.out / "quarantine.jsonl", comm.leads()),
      view(request.out, comm.leads()),
      resumed(claimed.resume_step().has_value()) {
  if (config.train.standardise_vision) require_projector(optimizer.parameters());
  RunFolder& folder = claimed.folder();
  const auto effective = write_options(config);
  if (resumed) {
    resume(folder, *claimed.resume_step());
  } else {
    folder.create();
    if (comm.leads()) log_to_file(folder.path() / "log.txt");
  }
  quarantine.add(bad_records());
  begin_equal(optimizer, comm);
  forget_lost_bests(folder, done);
  const auto& options = config.train;
  if (resumed) folder.publish(done.step, best_links(done), options.keep);
  folder.require_room(checkpoint_bytes(bundle, optimizer, ema, scaler),
                      options.keep + 1 + static_cast<std::int64_t>(options.also_best.size()));
  log_info(resumed ? str_cat("resume: goes on after step ", done.step)
                   : "train: " + folder.path().string());
  folder.write_config(effective);
  view.begin(done.step, done.owes_evaluation, effective);
}

void OpenedRun::resume(RunFolder& folder, std::int64_t step) {
  const auto from = folder.checkpoint(step);
  done = load_checkpoint(from, optimizer, ema, scaler);
  replay.restore(load_replay(from));
  folder.compare_data(data.records.manifest_hashes());
  quarantine.restore(done.quarantined);
  data.bad.note(done.quarantined);
  folder.rewind(done.step, done.owes_evaluation);
}

std::vector<BadSample> OpenedRun::bad_records() const {
  auto all = data.records.left_out();
  for (const auto& found : {validation.left_out(), data.bad.list()})
    all.insert(all.end(), found.begin(), found.end());
  return all;
}

nlohmann::json describe_run(const OpenedRun& run, const TrainConfig& config,
                            const TrainRequest& request, const Comm& comm) {
  const auto& options = config.train;
  const auto& parameters = run.optimizer.parameters();
  std::int64_t count = 0;
  for (const auto& parameter : parameters) count += parameter.tensor.numel();
  log_info(str_cat("trains ", count, " numbers in ", parameters.size(), " tensors; ",
                   name_of(options.precision), ", ", at::get_num_threads(), " threads",
                   comm.is_alone() ? "" : str_cat(" in each of ", comm.size(), " processes"), ", ",
                   at::get_cpu_capability()));
  for (const auto& line : target_lines(run.data)) log_info(line);
  const auto draws = options.steps * options.accumulation * options.batch_size;
  const auto coverage = cover(run.data,
                              sampler_options(run.data.records, run.data.visits, options.batch_size,
                                              static_cast<std::uint64_t>(options.seed)),
                              std::min(draws, kCoveredDraws));
  for (const auto& line : coverage_lines(coverage)) log_info(line);
  if (const auto* kept = run.features.folder())
    log_info(str_cat("features: kept in ", kept->path().string(), ", encoders ",
                     kept->form().encoders.substr(0, 16)));
  auto facts = machine_facts();
  facts.update({{"command", request.command},
                {"started", utc_now()},
                {"seed", options.seed},
                {"processes", comm.size()},
                {"resumed_after", run.done.step},
                {"trained_numbers", count},
                {"records", run.data.records.size()},
                {"coverage", coverage_json(coverage)}});
  for (const auto& [path, hash] : run.data.records.manifest_hashes())
    facts["data"].push_back({{"manifest", path}, {"sha256", hash}});
  return facts;
}

}  // namespace medseg
