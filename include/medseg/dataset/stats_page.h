/// \file
/// A manifest as one HTML file that a browser shows anywhere: counts, histograms, and an image of
/// each structure with its masks. No script, no font, no request. Readable on a phone, dark and
/// light.
#pragma once

#include <string>

#include "medseg/dataset/stats.h"

namespace medseg {

/// Shows the first image of each of up to `most_images` structures. \throws DataError.
std::string stats_page(const Manifest& manifest, const ManifestStats& stats, int most_images = 24);

}  // namespace medseg
