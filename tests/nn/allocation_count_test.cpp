#include "medseg/nn/allocation_count.h"

#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace medseg {
namespace {

constexpr std::int64_t kMegabyte = 1 << 20;

at::Tensor megabytes(std::int64_t count) { return at::empty({count * kMegabyte}, at::kByte); }

TEST(AllocationCount, CountsWhatLivesAndTheMostThatLived) {
  const auto before = megabytes(3);
  AllocationCount count;
  EXPECT_EQ(count.live(), 0);
  auto a = megabytes(2);
  {
    const auto b = megabytes(5);
    EXPECT_EQ(count.live(), 7 * kMegabyte);
    const auto view = b.slice(0, 0, 10);  // shares memory
    EXPECT_EQ(count.live(), 7 * kMegabyte);
  }
  EXPECT_EQ(count.live(), 2 * kMegabyte);
  EXPECT_EQ(count.peak(), 7 * kMegabyte);
  count.begin_peak();
  EXPECT_EQ(count.peak(), 2 * kMegabyte);
  a.reset();
  EXPECT_EQ(count.live(), 0);
}

TEST(AllocationCount, CountsOtherThreads) {
  AllocationCount count;
  at::Tensor made;
  std::thread([&] { made = megabytes(4); }).join();
  EXPECT_EQ(count.live(), 4 * kMegabyte);
}

TEST(AllocationCount, TensorsMayOutliveIt) {
  at::Tensor left;
  {
    const AllocationCount count;
    left = at::ones({1000});
  }
  EXPECT_EQ(left.sum().item<float>(), 1000.0F);
  AllocationCount again;
  left.reset();  // none of its own
  EXPECT_EQ(again.live(), 0);
  const auto grown = at::zeros({10}).resize_({kMegabyte});
  EXPECT_EQ(again.live(), 4 * kMegabyte);
  EXPECT_ANY_THROW(AllocationCount{});
}

TEST(AllocationCount, SeesWhatAutogradKeeps) {
  const auto x = at::ones({256, 1024}).set_requires_grad(true);
  AllocationCount count;
  {
    const auto y = x.exp();  // kept: exp's gradient is its result
    const auto z = y + 1;
    EXPECT_EQ(count.live(), 2 * kMegabyte);
    const auto loss = z.sum();
    loss.backward();
  }
  EXPECT_EQ(count.live(), kMegabyte);  // x.grad
}

}  // namespace
}  // namespace medseg
