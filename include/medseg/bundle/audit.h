/// \file
/// May a bundle be used? Loaders of this family fail silently: a head that was never loaded still
/// draws masks.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/bundle/bundle.h"

namespace medseg {

/// Every tensor of a bundle by what config.json and the headers of its weights say; no value is
/// read.
struct BundleAudit {
  std::vector<std::string> loaded;       ///< in the model and in the file, and not initialised
  std::vector<std::string> initialised;  ///< BundleOptions::initialised
  std::vector<std::string> missing;      ///< in the model, not in the file
  std::vector<std::string> mismatched;   ///< "name: file [2, 3], model [3, 3]"
  std::vector<std::string> unused;       ///< in the file, not in the model
};
/// \throws CheckpointError if there is no file of weights, or config.json describes no model.
BundleAudit audit_bundle(const std::filesystem::path& bundle, const BundleOptions& options);

/// \throws CheckpointError naming what is missing, unused or mismatched.
void refuse_unfit(const BundleAudit& audit, const std::filesystem::path& bundle);

/// What a bundle is opened for.
enum class BundleUse {
  kAnswers,     ///< words and the mask of each `[SEG]`
  kBoxPrompts,  ///< the grounding part alone, prompted with boxes
};

/// A parameter that no loss of training reaches: those of SAM's other masks, of its IoU prediction,
/// and of its point and mask prompts.
bool is_beyond_training(const std::string& name);

/// Of BundleOptions::initialised, what that use depends on. Answers depend on all but what is
/// beyond training.
std::vector<std::string> untrained_parts(const BundleOptions& options,
                                         BundleUse use = BundleUse::kAnswers);

/// The guard of evaluate, predict, chat and serve: \throws CheckpointError (exit 4) naming the
/// untrained_parts.
void refuse_untrained(const BundleOptions& options, const std::filesystem::path& bundle,
                      BundleUse use = BundleUse::kAnswers);

}  // namespace medseg
