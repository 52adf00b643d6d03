/// \file
/// The adapter inside a checkpoint of a run.
#pragma once

#include <filesystem>

#include "medseg/exchange/model_export.h"

namespace medseg {

/// The bundle in a checkpoint folder has its adapters merged; training.safetensors beside it keeps them apart, and they are
/// written as a PEFT folder: low-rank halves from there, all that trained beside them as modules_to_save, whole, from the
/// bundle. Averages where the run keeps them, as the bundle has. The adapter's base is the bundle that the run began with.
/// \throws CheckpointError when the folder is no checkpoint or its run trained no adapter.
ExportReport export_adapter(const std::filesystem::path& checkpoint,
                            const std::filesystem::path& folder);

}  // namespace medseg
