/// \file
/// Scores on the validation sources, as the bundle saved now would have them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "medseg/comm/comm.h"
#include "medseg/dataloader/quarantine.h"
#include "medseg/dataset/manifest.h"
#include "medseg/optim/ema.h"
#include "medseg/pipeline/features.h"
#include "medseg/training/frozen_storage.h"
#include "medseg/training/options.h"
#include "medseg/training/run_view.h"

namespace medseg {

/// A score's name as in the config, and its mean over the validation sources.
using NamedScores = std::vector<std::pair<std::string, double>>;

class Validation {
 public:
  struct Result {
    NamedScores scores;
    std::vector<nlohmann::ordered_json> lines;  ///< of metrics.jsonl, one a source
    std::vector<ShownSource> shown;
  };

  /// Reads the manifests as those of the training set are read (read_manifest). `config` must
  /// outlive it. \throws DataError on an empty split.
  explicit Validation(const TrainConfig& config);

  bool empty() const { return sources_.empty(); }
  /// Lines of the manifests that are no records.
  const std::vector<BadSample>& left_out() const { return left_out_; }

  /// With the averages and the merged adapters in the model; all processes together.
  /// \throws Interrupted on a signal.
  Result run(std::int64_t step, OpenBundle& bundle, FrozenStorage& frozen, Ema& ema,
             FeatureCache& features, at::ScalarType precision, Comm& comm) const;

 private:
  const TrainOptions& options_;
  std::vector<std::pair<DataSource, Manifest>> sources_;
  std::vector<BadSample> left_out_;
};

}  // namespace medseg
