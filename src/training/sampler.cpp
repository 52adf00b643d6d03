#include "medseg/training/sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "medseg/base/error.h"
#include "medseg/base/random.h"

namespace medseg {
namespace {

constexpr std::size_t kWindow =
    16;  // batches that are sorted by length together: order stays random beyond

std::int64_t visits_before(double rate, double phase, std::uint64_t epoch) {
  return static_cast<std::int64_t>(std::floor(static_cast<double>(epoch) * rate + phase));
}

}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)) {
  const auto count = options_.visits.size();
  const double total = std::accumulate(options_.visits.begin(), options_.visits.end(), 0.0);
  MEDSEG_CHECK(count > 0 && total > 0, "a sampler without samples");
  // Phases are evenly spread over the samples, in random order: epochs have nearly equal sizes.
  std::vector<std::size_t> ranks(count);
  std::iota(ranks.begin(), ranks.end(), std::size_t{0});
  RandomStream(options_.seed, "sampler.phase").shuffle(ranks);
  for (const auto rank : ranks)
    phase_.push_back((static_cast<double>(rank) + 0.5) / static_cast<double>(count));
  seek(0);
}

std::vector<std::size_t> Sampler::epoch(std::uint64_t index) const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < phase_.size(); ++i) {
    const auto times = visits_before(options_.visits[i], phase_[i], index + 1) -
                       visits_before(options_.visits[i], phase_[i], index);
    order.insert(order.end(), static_cast<std::size_t>(times), i);
  }
  if (options_.shuffle) RandomStream(options_.seed, "sampler.order", index).shuffle(order);
  if (options_.group_by_length) group(order, index);
  return order;
}

void Sampler::group(std::vector<std::size_t>& order, std::uint64_t index) const {
  RandomStream random(options_.seed, "sampler.group", index);
  const auto batch = static_cast<std::size_t>(options_.batch_size);
  std::vector<std::size_t> grouped;
  for (std::size_t begin = 0; begin < order.size(); begin += kWindow * batch) {
    const auto end = std::min(order.size(), begin + kWindow * batch);
    std::vector<std::size_t> window(order.begin() + static_cast<std::ptrdiff_t>(begin),
                                    order.begin() + static_cast<std::ptrdiff_t>(end));
    std::stable_sort(window.begin(), window.end(), [&](std::size_t a, std::size_t b) {
      return options_.lengths[a] < options_.lengths[b];
    });
    std::vector<std::size_t> starts;  // of whole batches; what is left over goes last
    for (std::size_t i = 0; i + batch <= window.size(); i += batch) starts.push_back(i);
    const auto rest = starts.size() * batch;
    random.shuffle(starts);
    for (const auto start : starts) {
      const auto first = window.begin() + static_cast<std::ptrdiff_t>(start);
      grouped.insert(grouped.end(), first, first + static_cast<std::ptrdiff_t>(batch));
    }
    grouped.insert(grouped.end(), window.begin() + static_cast<std::ptrdiff_t>(rest), window.end());
  }
  order = std::move(grouped);
}

void Sampler::seek(std::uint64_t drawn) {
  epoch_ = 0;
  place_ = 0;
  order_ = epoch(0);
  drawn_ = 0;
  while (drawn - drawn_ >= order_.size()) {  // an epoch of fractions may be empty
    drawn_ += order_.size();
    order_ = epoch(++epoch_);
  }
  place_ = static_cast<std::size_t>(drawn - drawn_);
  drawn_ = drawn;
}

std::vector<std::size_t> Sampler::next(std::size_t count) {
  std::vector<std::size_t> samples;
  while (samples.size() < count) {
    while (place_ >= order_.size()) {
      order_ = epoch(++epoch_);
      place_ = 0;
    }
    samples.push_back(order_[place_++]);
  }
  drawn_ += count;
  return samples;
}

}  // namespace medseg
