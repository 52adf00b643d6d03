#include "medseg/training/replay.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/comm/share.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/precision.h"
#include "medseg/pipeline/mask_truth.h"
#include "medseg/pipeline/preprocess.h"
#include "medseg/training/losses.h"

namespace medseg {
namespace {

constexpr int kTries = 1000;  // of one mask, where records are bad

}  // namespace

at::Tensor replay_loss(const Segmenter& model, const at::Tensor& embeddings,
                       const at::Tensor& prompts, const std::vector<MaskTruth>& truths,
                       const TrainOptions& options) {
  const auto device = model.device().type();
  const AutocastScope autocast(device, dtype_of(options.precision));
  const auto decoded =
      model.grounding().decode_batch(embeddings, prompts, at::arange(prompts.size(0), at::kLong));
  const AutocastScope full_precision(device, at::kFloat);
  const auto losses = batch_mask_losses(decoded.mask_logits, truths, options.loss);
  const auto of_masks = losses.bce * options.loss.bce + losses.dice * options.loss.dice;
  return with_further_losses(of_masks, losses, options.loss) * options.replay.weight;
}

MaskReplay::MaskReplay(const TrainOptions& options, TrainingSet& data)
    : options_(options), reader_(data) {
  if (!is_on()) return;
  std::map<std::string, double> counts;
  auto targets = mask_targets(data.records);
  for (const auto& target : targets) ++counts[target.label];
  for (auto& target : targets) {
    const double share = 1.0 / std::sqrt(counts[target.label]);
    sources_.push_back({.target = std::move(target), .share = share, .truth = {}});
  }
}

void MaskReplay::remember(const std::vector<std::string>& targets, const at::Tensor& prompts) {
  if (!is_on()) return;
  const auto kept = prompts.detach().to(at::kFloat);
  for (std::size_t k = 0; k < targets.size(); ++k)
    fresh_.emplace_back(targets[k], kept[static_cast<std::int64_t>(k)].clone());
}

void MaskReplay::exchange(Comm& comm) {
  if (!comm.is_alone()) {
    std::string targets, prompts;  // a target is a line
    for (const auto& [target, prompt] : fresh_) {
      targets += target + "\n";
      const auto values = prompt.cpu().contiguous();
      prompts.append(static_cast<const char*>(values.data_ptr()), values.nbytes());
    }
    const auto names_of_ranks = comm.all_gather(targets),
               prompts_of_ranks = comm.all_gather(prompts);
    fresh_.clear();
    for (std::size_t rank = 0; rank < names_of_ranks.size(); ++rank) {
      auto names = split(names_of_ranks[rank], '\n');
      names.pop_back();  // behind the last line
      if (names.empty()) continue;
      const auto& bytes = prompts_of_ranks[rank];
      const auto width = bytes.size() / sizeof(float) / names.size();
      for (std::size_t k = 0; k < names.size(); ++k) {
        auto prompt = at::empty({static_cast<std::int64_t>(width)}, at::kFloat);
        std::memcpy(prompt.data_ptr(), bytes.data() + k * width * sizeof(float), prompt.nbytes());
        fresh_.emplace_back(names[k], prompt);
      }
    }
  }
  for (auto& [target, prompt] : fresh_) {
    auto& known = memory_[target];
    known.push_back(std::move(prompt));
    if (static_cast<std::int64_t>(known.size()) > options_.replay.memory) known.pop_front();
  }
  fresh_.clear();
}

at::Tensor MaskReplay::pooled(const ImageFeatures& features, at::ScalarType precision) {
  if (options_.replay.pool == 1) return features.grounding.to(precision);
  auto& known = pooled_[&features];
  if (!known.defined())
    known = at::avg_pool2d(features.grounding.to(precision), options_.replay.pool);
  return known;
}

MaskReplay::Source& MaskReplay::draw(const std::vector<double>& reach, RandomStream& random,
                                     std::vector<BadSample>& bad) {
  for (int tries = 0; tries < kTries; ++tries) {
    const auto drawn =
        std::upper_bound(reach.begin(), reach.end(), random.uniform() * reach.back());
    auto& source =
        sources_[static_cast<std::size_t>(std::min(drawn, reach.end() - 1) - reach.begin())];
    const auto fault = reader_.fault_of(source.target);
    if (!fault) return source;
    bad.push_back(*fault);
  }
  throw DataError(bad.back().where(), str_cat(bad.back().why, "; train.replay drew ", kTries,
                                              " masks, and none can be read"));
}

std::vector<BadSample> MaskReplay::backward(const Segmenter& model, FeatureCache& cache,
                                            std::int64_t step, TimeTable& times,
                                            const GradScaler& scaler, Comm& comm) {
  std::vector<BadSample> bad;
  if (!is_on()) return bad;
  const TimeTable::Scope scope(times, "replay");
  exchange(comm);
  if (memory_.empty()) return bad;
  RandomStream random(static_cast<std::uint64_t>(options_.seed), "train.replay",
                      static_cast<std::uint64_t>(step));
  std::vector<double> reach;  // running sum of the shares that can be drawn
  double total = 0;
  for (const auto& source : sources_) {
    if (memory_.contains(source.target.label)) total += source.share;
    reach.push_back(total);
  }
  if (total <= 0) return bad;
  std::vector<at::Tensor> embeddings, prompts;
  std::vector<MaskTruth> truths;
  const auto share = share_of(options_.replay.masks, comm);
  for (std::int64_t i = 0; i < options_.replay.masks; ++i) {
    auto& source = draw(reach, random, bad);
    const auto& known = memory_.at(source.target.label);
    const auto& prompt = known[random.below(known.size())];
    if (i < share.first || i >= share.end) continue;
    const auto features = reader_.features_of(source.target, cache);
    if (!source.truth.defined()) source.truth = reader_.read_truth(source.target, features->frame);
    embeddings.push_back(pooled(*features, cache.precision()));
    prompts.push_back(prompt);
    truths.push_back({source.truth.to(model.device(), at::kFloat), features->frame});
  }
  if (prompts.empty()) return bad;
  const auto part = static_cast<double>(share.size()) / static_cast<double>(options_.replay.masks);
  const auto loss = replay_loss(model, at::stack(embeddings), at::stack(prompts).to(model.device()),
                                truths, options_) *
                    part;
  scaler.scale(loss).backward();
  return bad;
}

std::vector<std::pair<std::string, at::Tensor>> MaskReplay::state() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (const auto& [target, known] : memory_) {
    state.emplace_back("replay." + target,
                       at::stack(std::vector<at::Tensor>(known.begin(), known.end())));
  }
  return state;
}

void MaskReplay::restore(const std::vector<std::pair<std::string, at::Tensor>>& state) {
  memory_.clear();
  for (const auto& [name, prompts] : state) {
    auto& known = memory_[name.substr(std::string("replay.").size())];
    for (std::int64_t k = 0; k < prompts.size(0); ++k) known.push_back(prompts[k].clone());
  }
}

}  // namespace medseg
