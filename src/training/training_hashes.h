// What a run was trained on, as hashes, so that an evaluation can say what it had seen.
#pragma once

#include <filesystem>

#include "medseg/training/options.h"

namespace medseg {

/// Writes trained_on.json into the run folder unless it is there: hashes of the patients, volumes
/// and images of all training data, those that the start bundle knows of included. Reads every
/// image once. Data that is too large for that, or cannot be read, is not hashed, which is said.
void keep_training_hashes(const std::filesystem::path& run, const TrainConfig& config);

/// Copies it into a bundle that is about to be written, where the run has it.
void copy_training_hashes(const std::filesystem::path& run, const std::filesystem::path& bundle);

}  // namespace medseg
