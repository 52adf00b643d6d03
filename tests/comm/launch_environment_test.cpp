#include "medseg/comm/launch_environment.h"

#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"

namespace medseg {
namespace {

using Variables = std::map<std::string, std::string>;
using ::testing::HasSubstr;

LaunchEnvironment read(const Variables& variables) {
  return read_launch_environment([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found != variables.end() ? std::optional(found->second) : std::nullopt;
  });
}

std::string fault_of(const Variables& variables) {
  try {
    read(variables);
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.exit_code(), 2);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.what();
  }
  return "";
}

TEST(LaunchEnvironment, WithoutALauncherOneProcessIsAlone) {
  const auto alone = read({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}, {"MASTER_PORT", "1"}});
  EXPECT_EQ(alone.size, 1);
  EXPECT_EQ(alone.rank, 0);
  EXPECT_EQ(alone.launcher, Launcher::kNone);
  EXPECT_EQ(read({{"SLURM_PROCID", "0"}, {"SLURM_JOB_ID", "7"}}).size, 1);  // a batch script
}

TEST(LaunchEnvironment, AnAllocationWithoutAStepRunsAlone) {
  Variables batch = {{"SLURM_JOB_ID", "4711"},
                     {"SLURM_NNODES", "1"},
                     {"SLURM_NTASKS", "4"},
                     {"SLURM_PROCID", "0"},
                     {"SLURM_LOCALID", "0"}};
  EXPECT_EQ(read(batch).launcher, Launcher::kNone);
  EXPECT_EQ(read(batch).size, 1);
  EXPECT_EQ(read(batch).idle_tasks, 4);
  batch["SLURM_STEP_ID"] = "4294967291";  // the batch script's own step
  EXPECT_EQ(read(batch).size, 1);
  batch["SLURM_STEP_ID"] = "0";
  EXPECT_EQ(read(batch).size, 4);
  EXPECT_EQ(read(batch).idle_tasks, 0);
  EXPECT_THAT(fault_of({{"SLURM_PROCID", "1"}, {"SLURM_NTASKS", "4"}}),
              HasSubstr("SLURM_PROCID: 1, but SLURM_STEP_ID is missing"));
}

TEST(LaunchEnvironment, TorchrunsAgentHoldsTheStore) {
  const Variables torchrun = {{"RANK", "3"},
                              {"WORLD_SIZE", "4"},
                              {"LOCAL_RANK", "1"},
                              {"LOCAL_WORLD_SIZE", "2"},
                              {"GROUP_RANK", "1"},
                              {"MASTER_ADDR", "node1"},
                              {"MASTER_PORT", "29400"},
                              {"TORCHELASTIC_RUN_ID", "none"},
                              {"TORCHELASTIC_RESTART_COUNT", "2"},
                              {"TORCHELASTIC_USE_AGENT_STORE", "True"}};
  const auto found = read(torchrun);
  EXPECT_EQ(found.launcher, Launcher::kTorchrun);
  EXPECT_EQ(found.rank, 3);
  EXPECT_EQ(found.size, 4);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.address, "node1");
  EXPECT_EQ(found.port, 29400);
  EXPECT_TRUE(found.store_is_there);
  EXPECT_FALSE(found.is_loopback());
  auto again = torchrun;
  again["TORCHELASTIC_RESTART_COUNT"] = "3";
  EXPECT_NE(read(again).session, found.session);
  again["TORCHELASTIC_USE_AGENT_STORE"] = "False";
  EXPECT_FALSE(read(again).store_is_there);
}

TEST(LaunchEnvironment, ByHandOnOneMachineLoopbackIsTheDefault) {
  const auto found = read({{"RANK", "1"}, {"WORLD_SIZE", "2"}});
  EXPECT_TRUE(found.is_loopback());
  EXPECT_EQ(found.port, 29500);
  EXPECT_FALSE(found.store_is_there);
  for (const char* name : {"localhost", "127.0.0.1", "::1", "127.0.1.1"})
    EXPECT_TRUE(read({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", name}}).is_loopback());
}

TEST(LaunchEnvironment, Slurm) {
  Variables slurm = {{"SLURM_PROCID", "2"}, {"SLURM_NTASKS", "4"},  {"SLURM_LOCALID", "2"},
                     {"SLURM_NNODES", "1"}, {"SLURM_STEP_ID", "0"}, {"SLURM_JOB_ID", "4711"}};
  auto found = read(slurm);
  EXPECT_EQ(found.launcher, Launcher::kSlurm);
  EXPECT_EQ(found.rank, 2);
  EXPECT_EQ(found.size, 4);
  EXPECT_EQ(found.local_rank, 2);
  EXPECT_TRUE(found.is_loopback());
  EXPECT_EQ(found.port, 15000 + 4711);
  slurm["SLURM_STEP_NUM_TASKS"] = "3";  // srun --ntasks=3 inside a job of four
  EXPECT_EQ(read(slurm).size, 3);
  slurm["SLURM_NNODES"] = "2";
  EXPECT_THAT(fault_of(slurm), HasSubstr("MASTER_ADDR: missing"));
  slurm["MASTER_ADDR"] = "node1";
  EXPECT_EQ(read(slurm).address, "node1");
}

TEST(LaunchEnvironment, MpirunInsideASlurmJobIsOpenMpi) {
  const auto found = read({{"OMPI_COMM_WORLD_RANK", "1"},
                           {"OMPI_COMM_WORLD_SIZE", "2"},
                           {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                           {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                           {"SLURM_PROCID", "0"},
                           {"SLURM_NTASKS", "1"}});
  EXPECT_EQ(found.launcher, Launcher::kOpenMpi);
  EXPECT_EQ(found.rank, 1);
  EXPECT_EQ(found.size, 2);
  EXPECT_THAT(fault_of({{"OMPI_COMM_WORLD_RANK", "1"},
                        {"OMPI_COMM_WORLD_SIZE", "4"},
                        {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                        {"MASTER_ADDR", "localhost"}}),
              HasSubstr("MASTER_ADDR: localhost, but the 4 processes run on several machines"));
}

TEST(LaunchEnvironment, ATorchrunAgentOnEachNodeOfASlurmJobIsTorchrun) {
  const auto found = read({{"RANK", "5"},
                           {"WORLD_SIZE", "8"},
                           {"MASTER_ADDR", "node0"},
                           {"TORCHELASTIC_RUN_ID", "7"},
                           {"SLURM_PROCID", "1"},
                           {"SLURM_NTASKS", "2"}});
  EXPECT_EQ(found.launcher, Launcher::kTorchrun);
  EXPECT_EQ(found.rank, 5);
}

TEST(LaunchEnvironment, WhatContradictsItselfIsOneClearLine) {
  EXPECT_THAT(fault_of({{"RANK", "1"}}), HasSubstr("WORLD_SIZE: missing beside RANK=1"));
  EXPECT_THAT(fault_of({{"WORLD_SIZE", "2"}}), HasSubstr("RANK: missing beside WORLD_SIZE=2"));
  EXPECT_THAT(fault_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}}),
              HasSubstr("RANK: 2, but WORLD_SIZE is 2: ranks count from 0 to 1"));
  EXPECT_THAT(fault_of({{"RANK", "one"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK: \"one\""));
  EXPECT_THAT(fault_of({{"RANK", "-1"}, {"WORLD_SIZE", "2"}}), HasSubstr("RANK: \"-1\""));
  EXPECT_THAT(fault_of({{"RANK", "0"}, {"WORLD_SIZE", "0"}}), HasSubstr("WORLD_SIZE: \"0\""));
  EXPECT_THAT(fault_of({{"RANK", "0"}, {"WORLD_SIZE", "99999999999999999999"}}),
              HasSubstr("WORLD_SIZE: \"9999"));
  EXPECT_THAT(fault_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"MASTER_PORT", "70000"}}),
              HasSubstr("MASTER_PORT: \"70000\""));
  EXPECT_THAT(fault_of({{"RANK", "0"}, {"WORLD_SIZE", "2"}, {"LOCAL_RANK", "1"}}),
              HasSubstr("LOCAL_RANK: 1, but RANK is 0"));
  EXPECT_THAT(
      fault_of(
          {{"RANK", "3"}, {"WORLD_SIZE", "4"}, {"LOCAL_RANK", "2"}, {"LOCAL_WORLD_SIZE", "2"}}),
      HasSubstr("LOCAL_WORLD_SIZE: 2 contradicts"));
  EXPECT_THAT(fault_of({{"RANK", "0"},
                        {"WORLD_SIZE", "2"},
                        {"SLURM_PROCID", "0"},
                        {"SLURM_NTASKS", "4"},
                        {"SLURM_STEP_ID", "0"}}),
              HasSubstr("RANK: 0 of 2, but Slurm's variables say 0 of 4"));
  EXPECT_THAT(fault_of({{"SLURM_PROCID", "4"}, {"SLURM_NTASKS", "4"}, {"SLURM_STEP_ID", "0"}}),
              HasSubstr("SLURM_PROCID: 4"));
}

}  // namespace
}  // namespace medseg
