#include "medseg/dataloader/sampler.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataloader/loader.h"

namespace medseg {
namespace {

Sampler make(std::vector<double> visits, std::uint64_t seed = 1) {
  return Sampler({.visits = std::move(visits), .lengths = {}, .batch_size = 1, .seed = seed});
}

TEST(Sampler, AnEpochVisitsEverySampleOnceInAnOrderOfItsOwn) {
  const auto sampler = make(std::vector<double>(50, 1.0));
  for (std::uint64_t e = 0; e < 3; ++e) {
    const auto order = sampler.epoch(e);
    std::set<std::size_t> seen;
    for (const auto& draw : order) {
      seen.insert(draw.sample);
      EXPECT_EQ(draw.visit, e);
    }
    EXPECT_EQ(seen.size(), 50U);
    EXPECT_EQ(order.size(), 50U);
  }
  EXPECT_NE(sampler.epoch(0), sampler.epoch(1));
  EXPECT_EQ(sampler.epoch(2), make(std::vector<double>(50, 1.0)).epoch(2));
  EXPECT_NE(sampler.epoch(0), make(std::vector<double>(50, 1.0), 2).epoch(0));
}

TEST(Sampler, FractionsTakeTurnsOverEpochs) {
  const auto sampler = make({1.0, 2.4, 0.25, 0.0});
  std::vector<int> visits(4, 0);
  std::set<std::pair<std::size_t, std::uint64_t>> numbers;
  for (std::uint64_t e = 0; e < 20; ++e) {
    for (const auto& draw : sampler.epoch(e)) {
      ++visits[draw.sample];
      EXPECT_TRUE(numbers.emplace(draw.sample, draw.visit).second);
    }
    for (const auto& [sample, visit] : numbers)  // none is left out
      EXPECT_LT(visit, static_cast<std::uint64_t>(visits[sample]));
  }
  EXPECT_EQ(visits, (std::vector<int>{20, 48, 5, 0}));
}

TEST(Sampler, GoesOnFromTheCountAlone) {
  auto whole = make({1.0, 2.4, 0.25, 1.0, 1.0});
  for (int i = 0; i < 20; ++i) {
    auto other = make({1.0, 2.4, 0.25, 1.0, 1.0});
    other.seek(whole.drawn());
    const auto expected = whole.next(3);
    EXPECT_EQ(other.next(3), expected) << i;
  }
}

TEST(Sampler, GroupsBatchesOfSimilarLength) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t i = 0; i < 64; ++i) lengths.push_back(i * 7 % 64);
  Sampler sampler({.visits = std::vector<double>(64, 1.0),
                   .lengths = lengths,
                   .batch_size = 4,
                   .group_by_length = true,
                   .seed = 4});
  std::set<std::size_t> seen;
  for (int b = 0; b < 16; ++b) {
    const auto batch = sampler.next(4);
    std::vector<std::int64_t> sizes;
    for (const auto& draw : batch) sizes.push_back(lengths[draw.sample]);
    const auto [low, high] = std::minmax_element(sizes.begin(), sizes.end());
    EXPECT_EQ(*high - *low, 3);  // 64 lengths sorted, in fours
    for (const auto& draw : batch) seen.insert(draw.sample);
  }
  EXPECT_EQ(seen.size(), 64U);
}

TEST(Sampler, ProcessesTakeTheWholeInParts) {
  SamplerOptions options{.visits = {1.0, 2.4, 0.3, 1.0, 1.7}, .lengths = {}, .batch_size = 2};
  Sampler whole(options);
  whole.seek(14);  // in the middle of an epoch, at the seventh micro-batch
  const auto all = whole.next(60);
  options.period = 6;  // three micro-batches a step
  std::vector<Draw> joined(60);
  for (const auto& [first, end] : {std::pair{0U, 2U}, std::pair{2U, 6U}}) {
    options.first = first;
    options.end = end;
    Sampler part(options);
    part.seek(14);
    for (std::size_t step = 0; step < 10; ++step) {
      const auto draws = part.next(end - first);
      std::copy(draws.begin(), draws.end(),
                joined.begin() + static_cast<std::ptrdiff_t>(6 * step + first));
    }
  }
  EXPECT_EQ(joined, all);
}

TEST(BatchLoader, GivesTheSamplersOrderWithAnyNumberOfThreads) {
  const auto slow = [](const std::vector<Draw>& draws) {
    std::this_thread::sleep_for(std::chrono::microseconds(100 * (draws[0].sample % 7)));
    TrainingBatch batch;
    for (const auto& draw : draws) batch.ids.push_back(str_cat(draw.sample));
    return LoadedBatch{.content = std::move(batch), .bad = {}};
  };
  std::vector<std::vector<std::string>> orders;
  for (const std::int64_t workers : {0, 1, 3}) {
    BatchLoader loader(slow, make(std::vector<double>(30, 1.0)), 2, workers);
    orders.emplace_back();
    for (int i = 0; i < 40; ++i) {
      const auto loaded = loader.next();
      for (const auto& id : std::get<TrainingBatch>(loaded.content).ids)
        orders.back().push_back(id);
    }
  }
  EXPECT_EQ(orders[0], orders[1]);
  EXPECT_EQ(orders[0], orders[2]);
}

TEST(BatchLoader, RunsNoFurtherAheadThanItSays) {
  std::atomic<int> begun = 0, taken = 0, furthest = 0;
  const auto make_batch = [&](const std::vector<Draw>&) {
    const int ahead = ++begun - taken;
    for (int seen = furthest; ahead > seen && !furthest.compare_exchange_weak(seen, ahead);) {
    }
    return LoadedBatch{};
  };
  BatchLoader loader(make_batch, make(std::vector<double>(30, 1.0)), 2, 3);
  for (int i = 0; i < 200; ++i) {
    loader.next();
    if (i % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // let it run ahead
    ++taken;
  }
  EXPECT_LE(furthest, 2 * 3 + 2 + 1);  // and the one that was handed out, but not counted yet
}

TEST(BatchLoader, AFaultArrivesInItsPlace) {
  BatchLoader loader(
      [](const std::vector<Draw>& draws) {
        if (draws[0].sample == 3) throw DataError("record 3");
        return LoadedBatch{};
      },
      Sampler({.visits = std::vector<double>(5, 1.0), .lengths = {}, .shuffle = false}), 1, 2);
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(loader.next());
  EXPECT_THROW(loader.next(), DataError);
}

}  // namespace
}  // namespace medseg
