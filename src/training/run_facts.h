/// \file
/// What a run tells of itself: a line of metrics.jsonl a step, and run.json.
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

#include "medseg/optim/grad_scaler.h"
#include "medseg/training/checkpoint.h"
#include "medseg/training/options.h"
#include "medseg/training/step.h"
#include "medseg/training/time_table.h"
#include "medseg/training/update.h"

namespace medseg {

/// What is not finite is left out; "dropped" says why. `factor` is the schedule's.
nlohmann::ordered_json step_line(std::int64_t step, const TrainOptions& options,
                                 const StepReport& report, const Update& update,
                                 const GradScaler& scaler, double factor, double seconds);

/// Of the program and the machine: versions, threads, host.
nlohmann::json machine_facts();

/// How far the run is, its time and memory by part, its best checkpoints.
void add_progress(nlohmann::json& run, const TrainOptions& options, const Progressed& done,
                  const TimeTable& times);

}  // namespace medseg
