// A disk that is full, before and during training; root mounts a small one in memory, others skip
// these.
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sys/mount.h>

#include "medseg/base/error.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

class FullDiskIntegration : public TinyRun {
 protected:
  void TearDown() override {
    if (mounted_) ::umount2(disk().c_str(), MNT_DETACH);
    TinyRun::TearDown();
  }

  fs::path disk() const { return root_ / "disk"; }

  bool mount_disk(std::uint64_t bytes) {
    fs::create_directories(disk());
    mounted_ = ::mount("tmpfs", disk().c_str(), "tmpfs", 0,
                       str_cat("size=", bytes / 1024, "k").c_str()) == 0;
    return mounted_;
  }

  std::uint64_t checkpoint_size() const {
    auto options = config();
    options.train.steps = 1;
    train(options, {.out = root_ / "one", .resume = false, .command = "test"});
    std::uint64_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(root_ / "one/last"))
      bytes += (entry.file_size() + 4095) / 4096 * 4096;
    return bytes;
  }

  static std::string fault(const TrainConfig& options, const fs::path& out, bool resume = false) {
    try {
      train(options, {.out = out, .resume = resume, .command = "test"});
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }

  bool mounted_ = false;
};

TEST_F(FullDiskIntegration, IsFoundBeforeTraining) {
  const auto bytes = checkpoint_size();
  if (!mount_disk(bytes / 2)) GTEST_SKIP() << "may not mount";
  const auto said = fault(config(), disk() / "run");
  EXPECT_NE(said.find("run: a checkpoint takes "), std::string::npos) << said;
  EXPECT_NE(said.find("0.00 GB, 0.00 GB are free"), std::string::npos) << said;
  EXPECT_NE(said.find("[3]"), std::string::npos) << said;
  std::error_code none;
  EXPECT_TRUE(!fs::exists(disk() / "run/metrics.jsonl") ||
              fs::file_size(disk() / "run/metrics.jsonl", none) == 0U);
}

TEST_F(FullDiskIntegration, AFolderThatCannotBeWrittenIsFoundBeforeTraining) {
  if (!mount_disk(1 << 20)) GTEST_SKIP() << "may not mount";
  ASSERT_EQ(::mount("", disk().c_str(), "", MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const auto said = fault(config(), disk() / "run");
  EXPECT_NE(said.find("Read-only file system [3]"), std::string::npos) << said;
}

TEST_F(FullDiskIntegration, CostsNeitherStepsNorCheckpoints) {
  const auto bytes = checkpoint_size();
  if (!mount_disk(4 * bytes)) GTEST_SKIP() << "may not mount";
  auto options = config();
  options.train.steps = 150;
  options.train.save_every = 2;
  options.train.keep = 1;
  ASSERT_EQ(fault(options, root_ / "roomy"), "");

  const auto ballast = disk() / "ballast";
  std::thread others([&] {
    const auto lines = disk() / "run/metrics.jsonl";
    std::error_code none;
    for (int i = 0; i < 10000 && !(fs::file_size(lines, none) > 2000 && !none); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::ofstream file(ballast, std::ios::binary);
    const std::string piece(1024, 'x');
    while (file.write(piece.data(), 1024).flush()) {
    }
    file.close();
    std::this_thread::sleep_for(std::chrono::milliseconds(400));
    fs::remove(ballast, none);
  });
  ::testing::internal::CaptureStderr();
  const auto said = fault(options, disk() / "run");
  const auto warned = ::testing::internal::GetCapturedStderr();
  others.join();
  EXPECT_EQ(said, "");
  EXPECT_NE(warned.find("not saved: "), std::string::npos) << warned;
  EXPECT_NE(warned.find("No space left on device"), std::string::npos) << warned;
  fs::create_directory_symlink(disk() / "run", root_ / "full");
  EXPECT_EQ(metrics("roomy"), metrics("full"));
  EXPECT_EQ(read_file(root_ / "roomy/last/training.safetensors"),
            read_file(root_ / "full/last/training.safetensors"));
}

TEST_F(FullDiskIntegration, OnlyTheLastSaveIsTheRuns) {
  const auto bytes = checkpoint_size();
  if (!mount_disk(5 * bytes)) GTEST_SKIP() << "may not mount";
  auto options = config();
  options.train.steps = 1;
  ASSERT_EQ(fault(options, disk() / "run"), "");
  options.train.steps = 300;
  options.train.save_every = 1;
  std::thread others([&] {
    const auto lines = disk() / "run/metrics.jsonl";
    std::error_code none;
    for (int i = 0; i < 10000 && fs::file_size(lines, none) < 1000; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    std::ofstream file(disk() / "ballast", std::ios::binary);
    const std::string piece(1024, 'x');
    while (file.write(piece.data(), 1024).flush()) {
    }
  });
  set_quiet(true);
  ::testing::internal::CaptureStderr();
  const auto said = fault(options, disk() / "run", /*resume=*/true);
  ::testing::internal::GetCapturedStderr();
  others.join();
  EXPECT_NE(said.find("No space left on device [3]"), std::string::npos) << said;
  EXPECT_TRUE(fs::exists(disk() / "run/last/training.json"));
  fs::remove(disk() / "ballast");
  EXPECT_EQ(fault(options, disk() / "run", /*resume=*/true), "");  // and it goes on from there
  EXPECT_EQ(fs::read_symlink(disk() / "run/last").filename(), "step-00000300");
}

}  // namespace
}  // namespace medseg::tiny
