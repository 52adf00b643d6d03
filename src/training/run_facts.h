/// \file
/// Contents of metrics.jsonl and run.json.
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

/// The line of a step in metrics.jsonl. Numbers that are not finite are left out, and "dropped"
/// says why. `factor` is that of the schedule.
nlohmann::ordered_json step_line(std::int64_t step, const TrainOptions& options,
                                 const StepReport& report, const Update& update,
                                 const GradScaler& scaler, double factor, double seconds);

/// For run.json: versions of the program and LibTorch, threads, the machine.
nlohmann::json machine_facts();

/// For run.json: how far the run is, its time and memory by part, its best checkpoints.
void add_progress(nlohmann::json& run, const TrainOptions& options, const Progressed& done,
                  const TimeTable& times);

}  // namespace medseg
