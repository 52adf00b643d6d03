#include "run_facts.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include "medseg/base/clock.h"
#include "medseg/base/host.h"
#include "medseg/base/process.h"
#include "medseg/base/version.h"
#include "medseg/nn/precision.h"

namespace medseg {
namespace {

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

}  // namespace

nlohmann::ordered_json step_line(std::int64_t step, const TrainOptions& options,
                                 const StepReport& report, const Update& update,
                                 const GradScaler& scaler, double factor, double seconds) {
  nlohmann::ordered_json line = {{"step", step}};
  if (report.fault.empty()) {
    line["loss"] = report.total;
    line["loss_text"] = report.text;
    line["loss_bce"] = report.bce;
    line["loss_dice"] = report.dice;
    if (options.loss.focal > 0) line["loss_focal"] = report.focal;
    if (options.loss.boundary > 0) line["loss_boundary"] = report.boundary;
  }
  if (update.moved) line["grad_norm"] = update.grad_norm;
  line["lr"] = options.optimizer.lr * factor;
  line["tokens"] = report.tokens;
  line["labelled"] = report.labelled;
  line["masks"] = report.masks;
  line["samples"] = report.samples;
  if (!update.fault.empty()) line["dropped"] = update.fault;
  if (scaler.is_on()) {
    line["loss_scale"] = update.loss_scale;
    line["skipped"] = scaler.skipped();
  }
  line["seconds"] = seconds;
  return line;
}

nlohmann::json machine_facts() {
  return {{"version", version()},
          {"torch", TORCH_VERSION},
          {"threads", at::get_num_threads()},
          {"cpu_capability", at::get_cpu_capability()},
          {"host", host_json()}};
}

void add_progress(nlohmann::json& run, const TrainOptions& options, const Progressed& done,
                  const TimeTable& times) {
  run["steps"] = done.step;
  run["seconds"] = done.seconds;
  run["updated"] = utc_now();
  run["peak_memory_bytes"] = peak_memory_bytes();
  for (const auto& part : times.parts()) {
    auto& noted = run["parts"][part.name];
    noted = {{"seconds", part.seconds}, {"peak_memory_bytes", part.peak_bytes}};
    if (part.flops > 0) noted["flops"] = part.flops;
  }
  if (done.dropped > 0) run["dropped_steps"] = done.dropped;
  if (done.best_step)
    run["best"] = {
        {"step", *done.best_step}, {"score", done.best_score}, {"by", name_of(options.best)}};
  for (const auto& [name, best] : done.also_best)
    run["also_best"][name] = {{"step", best.step}, {"score", best.score}};
}

}  // namespace medseg
