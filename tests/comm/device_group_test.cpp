// Collectives for tensors on a GPU: the code in front of NCCL, with a substitute for NCCL.
#include <chrono>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

#include "medseg/base/clock.h"
#include "ranks.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;

/// Replaces NCCL on machines without a GPU, for tensors without memory: wait() returns at once, and
/// the call ends some time later or never.
class LaterGroup : public c10d::Backend {
 public:
  static inline int groups = 0, sums = 0, broadcasts = 0, unfinished = 0;
  static inline bool hangs = false;
  static inline std::chrono::milliseconds timeout{};

  static c10::intrusive_ptr<c10d::Backend> make(const c10::intrusive_ptr<c10d::Store>& store,
                                                int rank, int size,
                                                std::chrono::milliseconds its_timeout) {
    ++groups;
    timeout = its_timeout;
    store->set(str_cat(rank), std::vector<std::uint8_t>{1});
    for (int other = 0; other < size; ++other) store->wait({str_cat(other)});  // the same for all
    return c10::make_intrusive<LaterGroup>(rank, size);
  }
  using Backend::Backend;

  c10::intrusive_ptr<c10d::Work> allreduce(std::vector<at::Tensor>&,
                                           const c10d::AllreduceOptions&) override {
    ++sums;
    return c10::make_intrusive<LaterWork>();
  }
  c10::intrusive_ptr<c10d::Work> broadcast(std::vector<at::Tensor>&,
                                           const c10d::BroadcastOptions&) override {
    ++broadcasts;
    return c10::make_intrusive<LaterWork>();
  }

 private:
  class LaterWork : public c10d::Work {
   public:
    LaterWork() { ++unfinished; }
    bool wait(std::chrono::milliseconds) override { return true; }
    bool isCompleted() override {
      if (hangs || watch_.seconds() < 0.05) return false;
      if (!over_) --unfinished;
      return over_ = true;
    }

   private:
    bool over_ = false;
    Stopwatch watch_;
  };
};

TEST_F(Rank, HaveAGpuEach) {
  together([&](Comm& comm) {
    EXPECT_EQ(comm.local_rank(), comm.rank());
    comm.use_on_device(LaterGroup::make);
    const auto there = at::empty({1000}, at::kMeta);
    auto here = at::ones({3});
    comm.all_reduce(here);
    EXPECT_EQ(LaterGroup::groups, 0);  // made at the first use
    const auto under_way = comm.start_all_reduce(there);
    comm.all_reduce(here);
    under_way->wait();
    EXPECT_EQ(LaterGroup::unfinished, 0);
    comm.broadcast(there, 1);
    EXPECT_EQ(LaterGroup::unfinished, 0);
    EXPECT_EQ(here[0].item<int>(), comm.size() * comm.size());
    EXPECT_EQ(LaterGroup::groups, 1);
    EXPECT_EQ(LaterGroup::sums, 1);
    EXPECT_EQ(LaterGroup::broadcasts, 1);
    EXPECT_GT(LaterGroup::timeout, std::chrono::seconds(static_cast<int>(kTimeout)));
  });
}

TEST_F(Rank, OnesGpuHangs) {
  LaterGroup::hangs = true;
  together([&](Comm& comm) {
    comm.use_on_device(LaterGroup::make);
    const auto call = comm.start_all_reduce(at::empty({10}, at::kMeta));
    if (comm.rank() == 1) {
      for (;;) ::pause();
    }
    call->wait();
  });
}

TEST_F(CommTest, TensorsOnADeviceGoByAGroupOfTheirOwn) {
  EXPECT_EQ(launched(2, "HaveAGpuEach").code, 0);
}

TEST_F(CommTest, ADeviceThatHangsEndsAllWithFive) {
  const auto outcome = launched(2, "OnesGpuHangs", 1.0);
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("within 4 s"));
}

}  // namespace
}  // namespace medseg
