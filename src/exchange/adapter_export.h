/// \file
/// The adapter inside a checkpoint of a run.
#pragma once

#include <filesystem>

#include "medseg/exchange/model_export.h"

namespace medseg {

/// The bundle in a checkpoint folder has its adapters merged; training.safetensors beside it keeps
/// them apart. A PEFT folder is written: the low-rank halves from training.safetensors, and all
/// that trained beside them as modules_to_save, whole, from the bundle. Where the run keeps
/// averages of the weights they are what is written, as in the bundle. The adapter's base is the
/// bundle that the run began with.
/// \throws CheckpointError when the folder is no checkpoint or its run trained no adapter.
ExportReport export_adapter(const std::filesystem::path& checkpoint,
                            const std::filesystem::path& folder);

}  // namespace medseg
