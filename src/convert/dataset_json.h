/// \file
/// What nnU-Net's and the Medical Segmentation Decathlon's `dataset.json` share.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "foreign_json.h"
#include "medseg/convert/options.h"

namespace medseg {

/// "labels": {"liver": 1} (nnU-Net 2, also with lists: regions) or {"1": "liver"}; the background
/// and "ignore" are left out. \throws DataError.
std::vector<LabelValues> labels_of_dataset(const JsonItem& dataset);

/// The value of nnU-Net's "ignore" label, where there is one. \throws DataError.
std::optional<int> ignored_of_dataset(const JsonItem& dataset);

/// "CT" → ct, "T1w" and "FLAIR" → mr, …; "" for a name that tells none.
std::string modality_named(const std::string& name);

/// Names of the channels in order, of "channel_names" or "modality". \throws DataError.
std::vector<std::string> channels_of_dataset(const JsonItem& dataset);

}  // namespace medseg
