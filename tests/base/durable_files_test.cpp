// Files and folders that are written whole or not at all; locks; signals.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/file_lock.h"
#include "medseg/base/hash.h"
#include "medseg/base/signals.h"
#include "medseg/base/str.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class DurableFiles : public TempFolderTest {};

TEST_F(DurableFiles, AReplacedFolderIsNeverMissing) {
  const auto target = folder_ / "a/b/target";
  const auto replace = [&](const std::string& text) {
    AtomicFolder made(target);
    write_file(made.path() / "deep/er/file", text);
    write_file(made.path() / "file", text);
    made.commit();
  };
  replace("0");
  std::atomic<bool> stop = false;
  std::atomic<int> missed = 0;
  std::thread reader([&] {
    while (!stop) {
      std::error_code none;
      if (!fs::exists(target / "file", none)) ++missed;
    }
  });
  for (int i = 1; i <= 100; ++i) replace(str_cat(i));
  stop = true;
  reader.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(read_file(target / "deep/er/file"), "100");
  for (const auto& entry : fs::directory_iterator(target.parent_path()))
    EXPECT_EQ(entry.path().filename(), "target");
}

TEST_F(DurableFiles, ALineIsAppendedWholeOrNotAtAll) {
  const auto file = folder_ / "lines";
  append_line(file, "first");
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 9, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(append_line(file, "second"), DataError);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  EXPECT_EQ(read_file(file), "first\n");
  append_line(file, "third");
  EXPECT_EQ(read_file(file), "first\nthird\n");
}

TEST_F(DurableFiles, FreeBytesAreThoseOfTheFolderThatIsThere) {
  const auto here = free_bytes(folder_), below = free_bytes(folder_ / "not/yet/there");
  ASSERT_TRUE(here && below);
  EXPECT_GT(*here, 0U);
  EXPECT_NEAR(static_cast<double>(*below) / static_cast<double>(*here), 1.0, 0.2);
}

TEST_F(DurableFiles, ALockIsHeldOnceAndGoesWithItsProcess) {
  const auto file = folder_ / "lock";
  const pid_t child = ::fork();
  if (child == 0) {
    const FileLock lock(file, "there");
    ::pause();
  }
  while (!fs::exists(file) || fs::file_size(file) == 0) std::this_thread::yield();
  EXPECT_THAT([&] { FileLock(file, "there", 0.1); },
              ThrowsError<ConfigError>(
                  "there", str_cat("process ", child, " is at work here; end it first")));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_NO_THROW(FileLock(file, "there", 0.1));
}

TEST_F(DurableFiles, TheHashOfAFileIsThatOfItsBytes) {
  std::string bytes((40 << 20) + 17, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<char>(i * 2654435761U >> 13);
  write_file(folder_ / "large", bytes);
  EXPECT_EQ(sha256_of_file(folder_ / "large"), sha256(bytes));
  write_file(folder_ / "empty", "");
  EXPECT_EQ(sha256_of_file(folder_ / "empty"),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Signals, TheFirstIsNotedAndTheSecondEndsTheProcess) {
  stop_if_signalled();
  {
    const SignalWatch watch;
    std::raise(SIGINT);
    EXPECT_EQ(caught_signal(), SIGINT);
    EXPECT_THAT([] { stop_if_signalled(); }, ::testing::Throws<Interrupted>(::testing::Property(
                                                 "exit_code", &Interrupted::exit_code, 130)));
  }
  stop_if_signalled();  // the flag is gone with the watch
  EXPECT_EXIT(
      {
        const SignalWatch watch;
        std::raise(SIGTERM);
        std::raise(SIGINT);
      },
      ::testing::KilledBySignal(SIGINT), "");
}

}  // namespace
}  // namespace medseg
