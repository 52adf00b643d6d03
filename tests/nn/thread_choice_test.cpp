#include "medseg/nn/thread_choice.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"

namespace medseg {
namespace {

// Steps that take `all` seconds on all threads and `one` on one; how many of them ran on one.
int on_one_thread(ThreadChoice& choice, int steps, double all, double one) {
  int count = 0;
  for (int i = 0; i < steps; ++i) {
    const bool is_one = choice.threads() == 1;
    count += is_one ? 1 : 0;
    choice.took(is_one ? one : all);
  }
  return count;
}

TEST(ThreadChoice, KeepsAllThreadsOnAQuietMachineAndTriesOneLessAndLess) {
  ThreadChoice choice(2);
  EXPECT_EQ(choice.threads(), 2);
  EXPECT_GT(on_one_thread(choice, 100, 1.0, 1.7), 0);
  EXPECT_LT(on_one_thread(choice, 1000, 1.0, 1.7), 20);
}

TEST(ThreadChoice, TakesOneWhereAllWaitForEachOtherAndComesBack) {
  ThreadChoice choice(4);
  EXPECT_GT(on_one_thread(choice, 100, 5.0, 1.7), 70);
  on_one_thread(choice, 1000, 1.0, 1.7);  // the neighbour has gone
  EXPECT_LT(on_one_thread(choice, 100, 1.0, 1.7), 10);
}

TEST(ThreadChoice, ASmallAdvantageIsNone) {
  ThreadChoice choice(2);
  on_one_thread(choice, 100, 1.0, 0.95);
  EXPECT_LT(on_one_thread(choice, 1000, 1.0, 0.95), 20);
}

TEST(ThreadChoice, OneThreadIsNoChoice) {
  ThreadChoice choice(1);
  EXPECT_EQ(on_one_thread(choice, 100, 1.0, 1.0), 100);
}

TEST(ThreadChoice, AStepLeavesTheNumberOfThreadsAsItWas) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  ThreadChoice choice(1);
  for (int i = 0; i < 40; ++i) {
    int seen = 0;
    run_step(choice, [&] { seen = at::get_num_threads(); });
    EXPECT_TRUE(seen == 1 || seen == 2);
    EXPECT_EQ(at::get_num_threads(), 2);
  }
  EXPECT_EQ(choice.most(), 2);
  EXPECT_THROW(run_step(choice, [] { throw DataError("a step", "fails"); }), DataError);
  EXPECT_EQ(at::get_num_threads(), 2);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace medseg
