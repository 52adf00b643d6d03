// What a run was trained on, as hashes, so that an evaluation can say what it had seen.
#pragma once

#include <filesystem>

#include "medseg/training/options.h"

namespace medseg {

/// Writes trained_on.json into the run folder unless it is there: hashes of the patients, volumes
/// and images of all training data, those that the start bundle knows of included. Reads every
/// image once; those that cannot be read are left out, and data of more than 50,000 records is not
/// hashed: both are said. \throws DataError on a manifest, or hashes of the start bundle, that
/// cannot be read.
void keep_training_hashes(const std::filesystem::path& run, const TrainConfig& config);

/// Copies it into a bundle that is about to be written, where the run has it.
void copy_training_hashes(const std::filesystem::path& run, const std::filesystem::path& bundle);

}  // namespace medseg
