// Sources mixed by shares, batches grouped by length: what the sampler draws.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "medseg/dataloader/sampler.h"

namespace medseg {
namespace {

constexpr std::size_t kSizes[] = {10, 3, 50};

SamplerOptions three_sources(bool grouped) {
  SamplerOptions options{.visits = {},
                         .lengths = {},
                         .batch_size = 4,
                         .group_by_length = grouped,
                         .seed = 9,
                         .sources = {},
                         .shares = {5, 3, 2}};
  for (std::size_t s = 0; s < 3; ++s) {
    for (std::size_t i = 0; i < kSizes[s]; ++i) {
      options.visits.push_back(1.0);
      options.sources.push_back(s);
      options.lengths.push_back(static_cast<std::int64_t>((i * 37 + s * 11) % 90));
    }
  }
  return options;
}

TEST(Mixing, EverySourceKeepsItsEpochsAndItsShare) {
  const auto options = three_sources(false);
  Sampler sampler(options);
  std::vector<std::vector<Draw>> drawn(3);
  for (int i = 0; i < 1000; ++i) {
    const auto draw = sampler.next(1).front();
    drawn[options.sources[draw.sample]].push_back(draw);
    for (std::size_t s = 0; s < 3; ++s)  // at any time
      EXPECT_NEAR(static_cast<double>(drawn[s].size()), options.shares[s] / 10 * (i + 1), 2.0);
  }
  for (std::size_t s = 0; s < 3; ++s) {
    std::set<std::vector<std::size_t>> orders;
    for (std::size_t e = 0; (e + 1) * kSizes[s] <= drawn[s].size(); ++e) {
      std::set<std::size_t> seen;
      std::vector<std::size_t> order;
      for (std::size_t i = 0; i < kSizes[s]; ++i) {
        const auto& draw = drawn[s][e * kSizes[s] + i];
        seen.insert(draw.sample);
        order.push_back(draw.sample);
        EXPECT_EQ(draw.visit, e);
      }
      EXPECT_EQ(seen.size(), kSizes[s]);
      orders.insert(order);
    }
    EXPECT_GT(orders.size(), 2U);  // each epoch in an order of its own
  }
}

TEST(Mixing, ASourceWithoutAShareIsNeverDrawn) {
  auto options = three_sources(true);
  options.shares[0] = 0;
  for (std::size_t i = 0; i < 10; ++i) options.visits[i] = 0;
  Sampler sampler(options);
  sampler.seek(77);
  for (const auto& draw : sampler.next(300)) EXPECT_GE(draw.sample, 10U);
}

TEST(Mixing, GoesOnFromTheCountAlone) {
  for (const bool grouped : {false, true}) {
    Sampler whole(three_sources(grouped));
    for (int i = 0; i < 60; ++i) {
      Sampler other(three_sources(grouped));
      other.seek(whole.drawn());
      EXPECT_EQ(other.drawn(), whole.drawn());
      EXPECT_EQ(other.next(100), [&] {
        Sampler copy = whole;
        return copy.next(100);
      }());
      whole.next(5);
    }
  }
}

TEST(Mixing, GroupingMovesDrawsAndLosesNone) {
  Sampler plain(three_sources(false)), grouped(three_sources(true));
  const auto sorted = [](std::vector<Draw> draws) {
    std::sort(draws.begin(), draws.end(), [](const Draw& a, const Draw& b) {
      return std::pair(a.sample, a.visit) < std::pair(b.sample, b.visit);
    });
    return draws;
  };
  for (int stretch = 0; stretch < 5; ++stretch) {
    const auto a = plain.next(16 * 4), b = grouped.next(16 * 4);
    EXPECT_NE(a, b);
    EXPECT_EQ(sorted(a), sorted(b));
  }
}

TEST(Mixing, GroupsStayWholeWhereAnEpochIsNoMultipleOfTheBatch) {
  SamplerOptions options{.visits = std::vector<double>(66, 1.0),
                         .lengths = {},
                         .batch_size = 4,
                         .group_by_length = true,
                         .seed = 4,
                         .sources = {},
                         .shares = {}};
  for (std::int64_t i = 0; i < 66; ++i) options.lengths.push_back(i * 7 % 66);
  Sampler sampler(options);
  std::map<std::size_t, int> visits;
  for (std::uint64_t drawn = 0; drawn < 66 * 6; drawn += 4) {
    std::vector<std::int64_t> sizes;
    for (const auto& draw : sampler.next(4)) {
      sizes.push_back(options.lengths[draw.sample]);
      ++visits[draw.sample];
    }
    const auto index = drawn % 66;                   // in its epoch
    if (index > 66 - 4 || index + 4 > 64) continue;  // a batch of two epochs, or the rest of one
    const auto [low, high] = std::minmax_element(sizes.begin(), sizes.end());
    EXPECT_LE(*high - *low, 5) << drawn;  // 64 of 66 lengths, sorted, in fours
  }
  for (const auto& [sample, count] : visits) EXPECT_EQ(count, 6) << sample;
}

}  // namespace
}  // namespace medseg
