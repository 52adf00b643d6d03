/// \file
/// A small set that trains, to be edited into one's own: a record of each form of mask.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace medseg {

/// Writes `manifest.jsonl`, `images/`, `masks/`, `scan.nii` and `labels.nii` into `out`: drawn
/// shapes, no patient. Returns what each record shows, one line each.
/// \throws DataError if `out` holds anything.
std::vector<std::string> write_new_set(const std::filesystem::path& out);

/// Writes `case-1/ct.nii`, `case-1/labels.nii`, … : `count` drawn scans of 12 slices, of which six
/// show a bright organ (label 1) and most a dark one (label 2).
/// \throws DataError if `out` holds anything.
void write_practice_scans(const std::filesystem::path& out, int count);

}  // namespace medseg
