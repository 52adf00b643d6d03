#include "medseg/dataloader/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "medseg/base/error.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// Batches that are sorted by length together; beyond them the order stays random.
constexpr std::size_t kWindow = 16;

}  // namespace

EpochStream::EpochStream(std::vector<std::size_t> samples, std::vector<double> visits, bool shuffle,
                         std::uint64_t seed, std::string name)
    : samples_(std::move(samples)),
      visits_(std::move(visits)),
      shuffle_(shuffle),
      seed_(seed),
      name_(std::move(name)) {
  // Phases are evenly spread over the samples, in random order: epochs have nearly equal sizes.
  const auto count = samples_.size();
  std::vector<std::size_t> ranks(count);
  std::iota(ranks.begin(), ranks.end(), std::size_t{0});
  RandomStream(seed_, "sampler.phase" + name_).shuffle(ranks);
  for (const auto rank : ranks)
    phase_.push_back((static_cast<double>(rank) + 0.5) / static_cast<double>(count));
}

std::uint64_t EpochStream::visits_before(std::size_t i, std::uint64_t epoch) const {
  return static_cast<std::uint64_t>(
      std::floor(static_cast<double>(epoch) * visits_[i] + phase_[i]));
}

std::vector<Draw> EpochStream::epoch(std::uint64_t index) const {
  std::vector<Draw> order;
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    const auto after = visits_before(i, index + 1);
    for (auto visit = visits_before(i, index); visit < after; ++visit)
      order.push_back({samples_[i], visit});
  }
  if (shuffle_) RandomStream(seed_, "sampler.order" + name_, index).shuffle(order);
  return order;
}

std::size_t EpochStream::epoch_size(std::uint64_t index) const {
  std::size_t size = 0;
  for (std::size_t i = 0; i < samples_.size(); ++i)
    size += visits_before(i, index + 1) - visits_before(i, index);
  return size;
}

void EpochStream::seek(std::uint64_t drawn) {
  epoch_ = 0;
  auto size = epoch_size(0);
  while (drawn >= size) {  // an epoch of fractions may be empty
    drawn -= size;
    size = epoch_size(++epoch_);
  }
  order_ = epoch(epoch_);
  next_ = static_cast<std::size_t>(drawn);
}

Draw EpochStream::next() {
  while (next_ >= order_.size()) {
    order_ = epoch(++epoch_);
    next_ = 0;
  }
  return order_[next_++];
}

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)) {
  const auto count = options_.visits.size();
  const double total = std::accumulate(options_.visits.begin(), options_.visits.end(), 0.0);
  MEDSEG_CHECK(count > 0 && total > 0, "a sampler without samples");
  const auto sources = mixes() ? options_.shares.size() : 1;
  MEDSEG_CHECK(!mixes() || options_.sources.size() == count, "shares without sources");
  const double shares = std::accumulate(options_.shares.begin(), options_.shares.end(), 0.0);
  for (auto& share : options_.shares) share /= shares;
  for (std::size_t s = 0; s < sources; ++s) {
    std::vector<std::size_t> samples;
    std::vector<double> visits;
    for (std::size_t i = 0; i < count; ++i) {
      if (mixes() && options_.sources[i] != s) continue;
      samples.push_back(i);
      visits.push_back(options_.visits[i]);
    }
    const bool drawn = !mixes() || options_.shares[s] > 0;
    MEDSEG_CHECK(!drawn || std::accumulate(visits.begin(), visits.end(), 0.0) > 0,
                 "a source without samples");
    streams_.emplace_back(std::move(samples), std::move(visits), options_.shuffle, options_.seed,
                          mixes() ? str_cat(".", s) : "");
  }
  seek(0);
}

std::vector<Draw> Sampler::epoch(std::uint64_t index) const {
  MEDSEG_CHECK(!mixes(), "sources that are mixed have epochs of their own");
  std::uint64_t before = 0;
  for (std::uint64_t e = 0; e < index; ++e) before += streams_[0].epoch_size(e);
  return grouped_epoch(index, before);
}

std::vector<Draw> Sampler::grouped_epoch(std::uint64_t index, std::uint64_t drawn_before) const {
  auto order = streams_[0].epoch(index);
  // The first draws fill the batch that the last epoch left open.
  const auto batch = static_cast<std::uint64_t>(options_.batch_size);
  if (options_.group_by_length)
    group(order, static_cast<std::size_t>((batch - drawn_before % batch) % batch), index);
  return order;
}

std::vector<Draw> Sampler::mixed_stretch(std::uint64_t index) {
  std::vector<Draw> order;
  const auto size = kWindow * static_cast<std::size_t>(options_.batch_size);
  while (order.size() < size) order.push_back(streams_[next_source()].next());
  if (options_.group_by_length) group(order, 0, index);
  return order;
}

// The source that lags most behind its share; the first of several.
std::size_t Sampler::next_source() {
  const auto total = std::accumulate(taken_.begin(), taken_.end(), std::uint64_t{1});
  std::size_t chosen = 0;
  double furthest = -1.0;
  for (std::size_t s = 0; s < taken_.size(); ++s) {
    if (options_.shares[s] <= 0) continue;
    const double lag =
        options_.shares[s] * static_cast<double>(total) - static_cast<double>(taken_[s]);
    if (lag > furthest) {
      furthest = lag;
      chosen = s;
    }
  }
  ++taken_[chosen];
  return chosen;
}

void Sampler::group(std::vector<Draw>& order, std::size_t first, std::uint64_t index) const {
  RandomStream random(options_.seed, "sampler.group", index);
  const auto batch = static_cast<std::size_t>(options_.batch_size);
  const auto at = [&](std::size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(i); };
  std::vector<Draw> grouped(order.begin(), at(std::min(first, order.size())));
  for (std::size_t begin = grouped.size(); begin < order.size(); begin += kWindow * batch) {
    std::vector<Draw> window(at(begin), at(std::min(order.size(), begin + kWindow * batch)));
    std::stable_sort(window.begin(), window.end(), [&](const Draw& a, const Draw& b) {
      return options_.lengths[a.sample] < options_.lengths[b.sample];
    });
    std::vector<std::size_t> starts;  // of whole batches; what is left over goes last
    for (std::size_t i = 0; i + batch <= window.size(); i += batch) starts.push_back(i);
    const auto rest = starts.size() * batch;
    random.shuffle(starts);
    for (const auto start : starts) {
      const auto from = window.begin() + static_cast<std::ptrdiff_t>(start);
      grouped.insert(grouped.end(), from, from + static_cast<std::ptrdiff_t>(batch));
    }
    grouped.insert(grouped.end(), window.begin() + static_cast<std::ptrdiff_t>(rest), window.end());
  }
  order = std::move(grouped);
}

void Sampler::seek(std::uint64_t drawn) {
  drawn_ = sought_ = drawn;
  stretch_ = 0;
  if (mixes()) {
    const auto size = kWindow * static_cast<std::uint64_t>(options_.batch_size);
    stretch_ = drawn / size;
    taken_.assign(streams_.size(), 0);
    for (std::uint64_t i = 0; i < stretch_ * size; ++i) next_source();
    for (std::size_t s = 0; s < streams_.size(); ++s) {
      if (options_.shares[s] > 0) streams_[s].seek(taken_[s]);
    }
    order_ = mixed_stretch(stretch_);
    next_ = static_cast<std::size_t>(drawn % size);
    return;
  }
  std::uint64_t before = 0;
  auto size = streams_[0].epoch_size(0);
  while (drawn - before >= size) {  // an epoch of fractions may be empty
    before += size;
    size = streams_[0].epoch_size(++stretch_);
  }
  order_ = grouped_epoch(stretch_, before);
  next_ = static_cast<std::size_t>(drawn - before);
}

bool Sampler::is_own(std::uint64_t number) const {
  if (options_.period == 0) return true;
  const auto in_period = (number - sought_) % options_.period;
  return in_period >= options_.first && in_period < options_.end;
}

std::vector<Draw> Sampler::next(std::size_t count) {
  std::vector<Draw> draws;
  while (draws.size() < count) {
    while (next_ >= order_.size()) {
      ++stretch_;
      order_ = mixes() ? mixed_stretch(stretch_) : grouped_epoch(stretch_, drawn_);
      next_ = 0;
    }
    const auto draw = order_[next_++];
    if (is_own(drawn_++)) draws.push_back(draw);
  }
  return draws;
}

}  // namespace medseg
