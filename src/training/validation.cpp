#include "validation.h"

#include <cmath>

#include <ATen/ATen.h>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataloader/records.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/models/llama.h"

namespace medseg {
namespace {

constexpr std::int64_t kSideBySide = 8;  // dialogues; the answers do not depend on it

}  // namespace

Validation::Validation(const TrainConfig& config) : options_(config.train) {
  for (const auto& source : config.data.validation) {
    sources_.emplace_back(source,
                          read_manifest(source.manifest, config.data.on_bad_sample, left_out_));
    if (sources_.back().second.split(source.split).empty())
      throw DataError(source.manifest, "no record in split \"" + source.split + "\"");
  }
}

Validation::Result Validation::run(std::int64_t step, OpenBundle& bundle, FrozenStorage& frozen,
                                   Ema& ema, FeatureCache& features, at::ScalarType precision,
                                   Comm& comm) const {
  const at::NoGradGuard no_grad;
  bundle.model->language().train(false);
  const Ema::Averaged averaged(ema);
  const MergedAdapters merged(bundle, frozen, precision);
  EvaluationOptions evaluation;
  evaluation.generation.max_new_tokens = bundle.options.max_new_tokens;
  evaluation.limit = options_.evaluate_limit;
  evaluation.batch = kSideBySide;
  evaluation.precision = precision;
  evaluation.show_progress = false;
  evaluation.comm = &comm;
  Result result;
  auto& sums = result.scores;
  for (const auto& [source, manifest] : sources_) {
    const Stopwatch watch;
    const Evaluation answered = evaluate(bundle, manifest, source.split, features, evaluation);
    const Scores& scores = answered.scores;
    result.shown.push_back(
        {source.split, source.manifest, shown_answers(answered, manifest, options_.show_answers)});
    result.lines.push_back({{"step", step},
                            {"split", source.split},
                            {"manifest", source.manifest},
                            {"n", scores.n},
                            {"giou", scores.giou},
                            {"ciou", scores.ciou},
                            {"dice", scores.dice},
                            {"dice_over_targets", scores.dice_over_targets},
                            {"seg_count_accuracy", scores.seg_count_accuracy},
                            {"name_accuracy", scores.name_accuracy},
                            {"false_positive_rate", scores.false_positive_rate},
                            {"seconds", watch.seconds()}});
    log_info(str_cat("step ", step, " ", source.split, ": gIoU ", fixed(scores.giou, 3),
                     ", Dice over targets ", fixed(scores.dice_over_targets, 3), ", [SEG] count ",
                     fixed(scores.seg_count_accuracy, 3), ", names ",
                     fixed(scores.name_accuracy, 3), ", false positives ",
                     fixed(scores.false_positive_rate, 3), " (", fixed(watch.seconds(), 0), " s)"));
    const NamedScores named = {{"dice_over_targets", scores.dice_over_targets},
                               {"giou", scores.giou},
                               {"ciou", scores.ciou},
                               {"dice", scores.dice}};
    for (std::size_t i = 0; i < named.size(); ++i) {
      if (sums.size() <= i) sums.emplace_back(named[i].first, 0.0);
      if (std::isfinite(named[i].second)) sums[i].second += named[i].second;  // a split has masks
    }
  }
  for (auto& [name, sum] : sums) sum /= static_cast<double>(sources_.size());
  return result;
}

}  // namespace medseg
