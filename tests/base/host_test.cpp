#include "medseg/base/host.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Host : public TempFolderTest {};

TEST_F(Host, ReadsWhatLinuxSays) {
  std::string cpuinfo;
  for (int i = 0; i < 8; ++i) {  // two sockets of two cores with two threads each
    cpuinfo += str_cat("processor\t: ", i, "\nmodel name\t: A: CPU @ 2 GHz\nphysical id\t: ", i / 4,
                       "\ncore id\t\t: ", i % 2, "\n\n");
  }
  write_file(folder_ / "proc/cpuinfo", cpuinfo);
  write_file(folder_ / "proc/meminfo", "MemTotal:       1000 kB\nMemFree:  5 kB\n");
  write_file(folder_ / "etc/os-release",
             "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n");
  write_file(folder_ / "proc/driver/nvidia/gpus/0000:01/information",
             "Model: \t\t NVIDIA H200\nIRQ: 1\n");
  const auto facts = host_facts(folder_);
  EXPECT_EQ(facts.cpu, "A: CPU @ 2 GHz");
  EXPECT_EQ(facts.cores, 4);
  EXPECT_GE(facts.processors, 1);
  EXPECT_EQ(facts.memory_bytes, 1024000U);
  EXPECT_TRUE(facts.system.starts_with("Debian GNU/Linux 12 (bookworm), Linux ")) << facts.system;
  EXPECT_EQ(gpu_text(facts), "NVIDIA H200");

  write_file(folder_ / "sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(host_facts(folder_).memory_bytes, 1024000U);
  write_file(folder_ / "sys/fs/cgroup/memory.max", "500000\n");
  EXPECT_EQ(host_facts(folder_).memory_bytes, 500000U);
}

TEST_F(Host, WhatIsNotSaidIsUnknown) {
  const auto facts = host_facts(folder_);
  EXPECT_EQ(facts.cpu, "unknown");
  EXPECT_EQ(facts.cores, 0);
  EXPECT_EQ(facts.memory_bytes, 0U);
  EXPECT_EQ(gpu_text(facts), "none (no GPU in /proc/driver/nvidia/gpus)");
}

TEST_F(Host, ThisMachineHasProcessorsAndMemory) {
  const auto facts = host_facts();
  EXPECT_GE(facts.processors, 1);
  EXPECT_GT(facts.memory_bytes, std::uint64_t{1} << 26);
}

}  // namespace
}  // namespace medseg
