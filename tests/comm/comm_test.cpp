#include "medseg/comm/comm.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "medseg/base/clock.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/comm/connect.h"
#include "medseg/comm/launch.h"
#include "medseg/comm/together.h"
#include "ranks.h"
#include "support/throws.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST_F(Rank, Sums) {
  together([](Comm& comm) {
    const auto rank = static_cast<double>(comm.rank()), size = static_cast<double>(comm.size());
    for (const auto type : {at::kFloat, at::kDouble, at::kLong}) {
      auto sum = at::arange(1001, at::kDouble).mul(rank + 1).to(type);
      comm.all_reduce(sum);
      EXPECT_TRUE(sum.equal(at::arange(1001, at::kDouble).mul(size * (size + 1) / 2).to(type)));
    }
    // Many at a time, waited for in another order: the same bits on all ranks and in every round.
    at::manual_seed(static_cast<std::uint64_t>(comm.rank()));
    const auto own = at::randn({9, 777});
    std::string bits[2];
    for (auto& text : bits) {
      auto rows = own.clone();
      std::vector<std::unique_ptr<Comm::Pending>> pending;
      for (std::int64_t i = 0; i < rows.size(0); ++i)
        pending.push_back(comm.start_all_reduce(rows[i]));
      for (auto call = pending.rbegin(); call != pending.rend(); ++call) (*call)->wait();
      text.assign(reinterpret_cast<const char*>(rows.data_ptr()), rows.nbytes());
    }
    EXPECT_EQ(bits[0], bits[1]);
    for (const auto& others : comm.all_gather(bits[0])) EXPECT_EQ(others, bits[0]);
  });
}

TEST_F(Rank, SaysAndHears) {
  together([](Comm& comm) {
    const auto rank = comm.rank(), last = comm.size() - 1;
    auto values = at::full({3}, rank, at::kFloat);
    comm.broadcast(values, last);
    EXPECT_TRUE(values.equal(at::full({3}, last, at::kFloat)));
    const auto heard = comm.all_gather(
        std::string(static_cast<std::size_t>(rank * 1000), static_cast<char>('a' + rank)));
    for (int r = 0; r <= last; ++r) {
      EXPECT_EQ(heard[static_cast<std::size_t>(r)],
                std::string(static_cast<std::size_t>(r * 1000), static_cast<char>('a' + r)));
    }
    EXPECT_EQ(comm.broadcast(std::int64_t{7} + rank), 7);
    EXPECT_EQ(comm.broadcast(0.1 + rank), 0.1);
    EXPECT_TRUE(comm.broadcast(rank == 0));
    EXPECT_EQ(comm.all_reduce_max(std::int64_t{-5} + rank), last - 5);
    EXPECT_EQ(comm.all_reduce_max(0.5 * rank), 0.5 * last);
    comm.barrier();
  });
}

TEST_F(Rank, OneFails) {
  together([](Comm& comm) {
    comm.barrier();
    if (comm.rank() == 1) throw DataError("pictures/7.png: cannot read");
    comm.barrier();
  });
}

TEST_F(Rank, AllFail) {
  together([](Comm&) { throw ConfigError("train.steps: 0"); });
}

TEST_F(Rank, OneHasABug) {
  together([](Comm& comm) {
    if (comm.rank() == 1) at::zeros({2}).view({3});
    comm.barrier();
  });
}

TEST_F(Rank, OneIsKilled) {
  together([](Comm& comm) {
    comm.barrier();
    if (comm.rank() == 1) ::raise(SIGKILL);
    comm.barrier();
  });
}

TEST_F(Rank, OneStops) {
  together([](Comm& comm) {
    comm.barrier();
    if (comm.rank() == 1) ::raise(SIGSTOP);
    comm.barrier();
  });
}

TEST_F(Rank, OneIsBusy) {
  together([](Comm& comm) {
    comm.barrier();
    if (comm.rank() == comm.size() - 1) {
      for (;;) ::pause();  // alive, but in no call
    }
    comm.barrier();
  });
}

TEST_F(Rank, OneNeverComes) {
  if (environment_.rank == 1) std::exit(0);
  together([](Comm& comm) { comm.barrier(); });
}

// Waits for a signal, which every rank must get once.
TEST_F(Rank, WaitsForASignal) {
  static volatile std::sig_atomic_t caught = 0;
  struct sigaction action {};
  action.sa_handler = [](int signal) {
    if (caught != 0) ::_exit(99);  // it came twice
    caught = signal;
  };
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  together([](Comm& comm) {
    if (comm.leads()) write_file(fs::path(std::getenv("MEDSEG_COMM_TEST")) / "ready", "");
    while (comm.all_reduce_max(std::int64_t{caught}) == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    throw Error(128 + static_cast<int>(comm.all_reduce_max(std::int64_t{caught})), "", "stopped");
  });
}

// A launcher in a process of its own.
TEST_F(Rank, Launcher) {
  std::exit([] {
    try {
      launch({.processes = 2, .command = {"--gtest_filter=Rank.WaitsForASignal"}});
    } catch (const Error& error) {
      return error.exit_code();
    }
    return 0;
  }());
}

TEST_F(CommTest, OneProcessHearsItself) {
  const auto comm = connect({});
  EXPECT_TRUE(comm->is_alone());
  auto values = at::arange(3, at::kFloat);
  comm->all_reduce(values);
  comm->broadcast(values, 0);
  EXPECT_TRUE(values.equal(at::arange(3, at::kFloat)));
  EXPECT_EQ(comm->all_gather("a"), std::vector<std::string>{"a"});
  EXPECT_EQ(comm->all_reduce_max(2.5), 2.5);
  EXPECT_THROW(run_together(*comm, [] { throw DataError("x"); }), DataError);
}

TEST_F(CommTest, SumsAreTheSameOnAllRanks) {
  for (const int processes : {2, 3, 4}) EXPECT_EQ(launched(processes, "Sums").code, 0) << processes;
}

TEST_F(CommTest, RanksSayAndHear) {
  for (const int processes : {1, 2, 4})
    EXPECT_EQ(launched(processes, "SaysAndHears").code, 0) << processes;
}

TEST_F(CommTest, AnErrorOnOneRankIsOneLineAndEndsAllWithItsCode) {
  const auto outcome = launched(3, "OneFails");
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.what, "");
  EXPECT_EQ(outcome.err, "medseg: rank 1: pictures/7.png: cannot read\n");
}

TEST_F(CommTest, AnErrorOfAllRanksIsOneLine) {
  const auto outcome = launched(3, "AllFail");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_EQ(outcome.err, "medseg: train.steps: 0\n");
}

TEST_F(CommTest, ABugOnOneRankEndsAllWithOne) {
  const auto outcome = launched(2, "OneHasABug");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("rank 1: bug: "));
}

TEST_F(CommTest, AKilledRankEndsAllWithFive) {
  const Stopwatch watch;
  const auto outcome = launched(3, "OneIsKilled");
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.what, HasSubstr("rank 1 (process "));
  EXPECT_THAT(outcome.what, HasSubstr("was killed by signal 9"));
  EXPECT_EQ(outcome.err, "");
}

TEST_F(CommTest, AStoppedRankEndsAllWithFiveAndIsNamed) {
  const auto outcome = launched(3, "OneStops", 1.0);
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err, HasSubstr("medseg: rank 1 is gone or stopped: no sign of life\n"));
}

TEST_F(CommTest, ARankThatDoesNotComeEndsAllWithFiveAndIsNamed) {
  const auto outcome = launched(3, "OneIsBusy", 1.0);
  EXPECT_EQ(outcome.code, 5);
  EXPECT_THAT(outcome.err,
              HasSubstr("medseg: rank 2 did not come within 4 s to where the others wait\n"));
}

TEST_F(CommTest, AMeetingThatARankMissesNamesIt) {
  const auto outcome = launched(3, "OneNeverComes");
  EXPECT_EQ(outcome.code, 5);
  // Ranks 0 and 2 wait equally long, so either may report it first.
  EXPECT_THAT(outcome.err, HasSubstr("medseg: of 3 processes, rank 1 did not come within 4 s\n"));
  EXPECT_THAT(
      outcome.err,
      HasSubstr("medseg: of 3 processes, rank 1 is still missing after 2 s; waiting up to 4 s\n"));
}

TEST_F(CommTest, WithoutALauncherRankZeroHoldsTheStore) {
  const auto variables = [&](int rank) {
    return std::vector<std::pair<std::string, std::string>>{{"SLURM_PROCID", str_cat(rank)},
                                                            {"SLURM_NTASKS", "2"},
                                                            {"SLURM_STEP_ID", "0"},
                                                            {"SLURM_LOCALID", str_cat(rank)},
                                                            {"SLURM_JOB_ID", str_cat(::getpid())}};
  };
  const std::vector<std::pair<std::string, int>> cases = {
      {"SaysAndHears", 0}, {"OneFails", 3}, {"AllFail", 2}};
  for (const auto& [what, code] : cases) {
    const pid_t first = spawn(what, variables(0)), second = spawn(what, variables(1));
    EXPECT_EQ(finish(first), code) << what;
    EXPECT_EQ(finish(second), code) << what;
  }
  const pid_t first = spawn("OneIsKilled", variables(0)),
              second = spawn("OneIsKilled", variables(1));
  EXPECT_EQ(finish(first), 5);
  EXPECT_EQ(finish(second), -SIGKILL);
}

TEST_F(CommTest, SignalsReachEveryRankOnce) {
  for (const int signal : {SIGINT, SIGTERM}) {
    fs::remove(folder_ / "ready");
    const pid_t launcher = spawn("Launcher", {});
    const Stopwatch watch;
    while (!fs::exists(folder_ / "ready") && watch.seconds() < 30)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    ::kill(launcher, signal);
    EXPECT_EQ(finish(launcher), 128 + signal);
  }
}

// Orphans of a killed launcher become children of this process, which therefore sees them end.
TEST_F(CommTest, RanksDieWithTheirLauncher) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t launcher = spawn("Launcher", {});
  const Stopwatch watch;
  while (!fs::exists(folder_ / "ready") && watch.seconds() < 30)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  ::kill(launcher, SIGKILL);
  EXPECT_EQ(finish(launcher), -SIGKILL);
  for (int rank = 0; rank < 2; ++rank) EXPECT_EQ(finish(-1), -SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(CommTest, WhatCannotBeLaunchedSaysSo) {
  for (const int processes : {0, -1, 100000}) {
    const auto outcome = launched(processes, "Sums");
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.what, HasSubstr("--nproc"));
  }
}

TEST_F(CommTest, APortThatIsTakenSaysSo) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(fd, 1), 0);
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  LaunchEnvironment environment;
  environment.size = 2;
  environment.port = ntohs(address.sin_port);
  EXPECT_THAT(
      [&] { connect(environment, kTimeout); },
      ThrowsError<ConfigError>("MASTER_PORT", str_cat("cannot listen at ", environment.port)));
  ::close(fd);
  environment.rank = 1;  // no server is there
  EXPECT_THAT(
      [&] { connect(environment, 1.0); },
      ::testing::Throws<PeerLost>(::testing::AllOf(
          ::testing::Property("exit_code", &Error::exit_code, 5),
          ::testing::Property("reason", &Error::reason, HasSubstr("no answer from 127.0.0.1")))));
  environment.address = "no-such-host.invalid";
  EXPECT_THROW(connect(environment, 1.0), ConfigError);
}

}  // namespace
}  // namespace medseg
