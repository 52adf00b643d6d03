#include <algorithm>
#include <iterator>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/process.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class FileTest : public TempFolderTest {
 protected:
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }
};

TEST_F(FileTest, WritesWholeFilesAndMakesParents) {
  write_file(folder_ / "a/b.txt", "one");
  write_file(folder_ / "a/b.txt", "two");
  EXPECT_EQ(read_file(folder_ / "a/b.txt"), "two");
  append_line(folder_ / "a/log", "x");
  append_line(folder_ / "a/log", "y");
  EXPECT_EQ(read_file(folder_ / "a/log"), "x\ny\n");
}

TEST_F(FileTest, KeepsTheOldFileWhenTheNewOneCannotBeWritten) {
  write_file(folder_ / "kept", "old");
  fs::create_directories(folder_ / "folder/inside");
  EXPECT_THROW(write_file(folder_ / "folder", "new"), DataError);  // a folder is in the way
  EXPECT_EQ(read_file(folder_ / "kept"), "old");
  EXPECT_EQ(entries(), 2U);  // no temporary file is left
}

TEST_F(FileTest, NamesTheFileThatIsMissing) {
  const auto missing = folder_ / "missing";
  EXPECT_THAT([&] { read_file(missing); },
              ThrowsError<DataError>(missing.string(), "cannot open: No such file or directory"));
}

TEST_F(FileTest, AFolderAppearsWholeOrNotAtAll) {
  {
    AtomicFolder folder(folder_ / "run");
    write_file(folder.path() / "x", "1");
  }
  EXPECT_EQ(entries(), 0U);
  for (const char* content : {"1", "2"}) {
    AtomicFolder folder(folder_ / "run");
    write_file(folder.path() / "x", content);
    folder.commit();
    EXPECT_EQ(read_file(folder_ / "run/x"), content);
  }
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FileTest, AStrangersFolderIsNotReplaced) {
  const auto refusal = [&](const fs::path& folder) {
    try {
      refuse_foreign_folder(folder, [](const std::string& name) { return name == "mine"; });
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(refusal(folder_ / "new"), "");
  fs::create_directories(folder_ / "old");
  EXPECT_EQ(refusal(folder_ / "old"), "");
  write_file(folder_ / "old/mine", "1");
  EXPECT_EQ(refusal(folder_ / "old"), "");
  EXPECT_THROW(refuse_foreign_folder(folder_ / "old"), DataError);
  write_file(folder_ / "old/thesis", "1");
  EXPECT_EQ(refusal(folder_ / "old"),
            (folder_ / "old").string() + ": holds thesis, expected a new or empty folder");
  EXPECT_EQ(refusal(folder_ / "old/mine"),
            (folder_ / "old/mine").string() + ": is a file, expected a folder to write");
}

TEST_F(FileTest, MapsFilesAndEmptyFiles) {
  write_file(folder_ / "full", "abc");
  write_file(folder_ / "empty", "");
  EXPECT_EQ(MappedFile(folder_ / "full").bytes().size(), 3U);
  EXPECT_EQ(MappedFile(folder_ / "full").bytes()[2], 'c');
  EXPECT_TRUE(MappedFile(folder_ / "empty").bytes().empty());
  EXPECT_THROW(MappedFile{folder_}, DataError);
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_THROW(MappedFile{folder_ / "pipe"}, DataError);  // and opening does not wait for a writer
}

TEST_F(FileTest, ReleasedPagesComeBackFromTheFile) {
  const std::string content(100'000, 'x');
  write_file(folder_ / "full", content);
  const MappedFile file(folder_ / "full");
  for (const std::size_t first : {0, 1, 5000, 99'999}) {
    file.release(file.bytes().subspan(first));
    EXPECT_TRUE(std::equal(content.begin(), content.end(), file.bytes().begin()));
  }
}

TEST(Hash, EqualsTheStandardsExamples) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(RandomStream, IsTheSameForTheSameNameAndDiffersOtherwise) {
  EXPECT_EQ(RandomStream(1, "a", 2).next(), RandomStream(1, "a", 2).next());
  const std::set<std::uint64_t> firsts = {
      RandomStream(1, "a", 2).next(), RandomStream(2, "a", 2).next(),
      RandomStream(1, "b", 2).next(), RandomStream(1, "a", 3).next()};
  EXPECT_EQ(firsts.size(), 4U);
}

TEST(RandomStream, DrawsWithinItsRangesAndShufflesEverything) {
  RandomStream random(0, "test");
  double sum = 0, squares = 0;
  for (int i = 0; i < 20000; ++i) {
    const double u = random.uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    ASSERT_LT(random.below(7), 7U);
    const double z = random.normal();
    sum += z;
    squares += z * z;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.05);
  EXPECT_NEAR(squares / 20000, 1, 0.05);
  std::vector<int> items = {1, 2, 3, 4, 5, 6, 7, 8};
  const auto before = items;
  random.shuffle(items);
  EXPECT_NE(items, before);
  std::sort(items.begin(), items.end());
  EXPECT_EQ(items, before);
}

TEST(RandomStream, GoesOnFromItsState) {
  RandomStream first(5, "x");
  first.next();
  RandomStream second(0, "");
  second.set_state(first.state());
  EXPECT_EQ(first.next(), second.next());
}

TEST(Str, JoinsSplitsTrimsAndGuesses) {
  EXPECT_EQ(str_cat("step ", 3, ": ", 0.5), "step 3: 0.5");
  EXPECT_EQ(fixed(0.12345, 3), "0.123");
  EXPECT_EQ(join(split("a,b,,c", ','), "|"), "a|b||c");
  EXPECT_EQ(split("", ','), std::vector<std::string>{""});
  EXPECT_EQ(trim(" \t x y\n"), "x y");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(did_you_mean("learning_rat", {"seed", "learning_rate"}),
            " (did you mean \"learning_rate\"?); known are seed learning_rate");
  EXPECT_EQ(did_you_mean("zzzzzz", {"seed"}), "; known are seed");
}

TEST(Clock, WritesDurationsForPeople) {
  EXPECT_EQ(duration_text(123.4), "2:03");
  EXPECT_EQ(duration_text(3723), "1:02:03");
  EXPECT_EQ(duration_text(-1), "0:00");
}

TEST(Version, HasThreeNumbers) {
  EXPECT_THAT(std::string(version()), ::testing::MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
}

TEST(Check, SaysWhereAndWhat) {
  EXPECT_THAT([] { MEDSEG_CHECK(1 + 1 == 3, "sums are off"); },
              ThrowsMessage<CheckFailed>(
                  AllOf(HasSubstr("base_test.cpp"), HasSubstr("sums are off (1 + 1 == 3)"))));
}

TEST(Process, PeakMemoryRemembersWhatWasGivenBack) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const auto before = peak_memory_bytes();
  EXPECT_GT(before, 1'000'000U);
  { const std::vector<char> touched(before + kBytes, '\1'); }
  EXPECT_GE(peak_memory_bytes(), before + kBytes);
  EXPECT_EQ(gigabytes_text(3'456'000'000), "3.46 GB");
}

TEST(Process, ARecentPeakForgetsWhatWasBefore) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "AddressSanitizer keeps what was freed";
#endif
  constexpr std::size_t kBytes = std::size_t{96} << 20;
  { const std::vector<char> touched(kBytes, '\1'); }
  const auto highest = peak_memory_bytes();
  begin_recent_peak();
  const auto resident = resident_memory_bytes();
  if (recent_peak_bytes() == highest) GTEST_SKIP() << "this kernel has no /proc/self/clear_refs";
  EXPECT_LT(recent_peak_bytes(), highest - kBytes / 2);
  EXPECT_NEAR(static_cast<double>(recent_peak_bytes()), static_cast<double>(resident), 4e6);
  { const std::vector<char> touched(kBytes / 2, '\1'); }
  // The kernel updates its counter in batches.
  EXPECT_GE(recent_peak_bytes(), resident + kBytes / 2 - 2'000'000);
  EXPECT_GE(peak_memory_bytes(), highest);
}

}  // namespace
}  // namespace medseg
