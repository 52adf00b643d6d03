// The real set, where its packages have been downloaded.
#include "medseg/demo/demo.h"

#include <cstdlib>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"
#include "medseg/dataset/stats.h"
#include "medseg/demo/phrases.h"
#include "medseg/text/conversation.h"
#include "support/assets.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class DemoIntegration : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!fs::exists(asset_folder() / "mricron-data") || !fs::exists(asset_folder() / "pyradiomics"))
      return;
    folder() = fs::temp_directory_path() / str_cat("demo-", getpid());
    build_demo({.out = folder() / "one", .assets = asset_folder(), .seed = 0});
    manifest() = Manifest::read(folder() / "one/manifest.jsonl");
  }
  static void TearDownTestSuite() {
    if (!folder().empty()) fs::remove_all(folder());
  }
  void SetUp() override {
    if (folder().empty()) GTEST_SKIP() << "no packages in " << asset_folder();
  }
  static fs::path& folder() {
    static fs::path path;
    return path;
  }
  static Manifest& manifest() {
    static Manifest read;
    return read;
  }
};

TEST_F(DemoIntegration, HasNoFaultAndEnoughOfEverything) {
  EXPECT_TRUE(examine({folder() / "one/manifest.jsonl"}).faults.empty());
  const auto stats = count_manifest(manifest());
  const auto& train = stats.splits.at("train");
  const auto& val = stats.splits.at("val");
  const auto& test = stats.splits.at("test");
  EXPECT_GE(train.pairs, 900);
  EXPECT_GE(val.pairs, 100);
  EXPECT_GE(test.pairs, 160);
  EXPECT_EQ(train.pairs_by_target.size(), 23U);
  EXPECT_EQ(test.pairs_by_target.size(), 23U);
  EXPECT_GE(test.absent_turns, 40);
  const double share =
      static_cast<double>(train.absent_turns) / static_cast<double>(train.answered_turns);
  EXPECT_GT(share, 0.28);
  EXPECT_LT(share, 0.36);
  EXPECT_GT(train.turns_by_seg.at(2), 100);
  EXPECT_GT(train.turns_by_seg.at(3), 20);
  for (const auto& leak : stats.leaks) EXPECT_TRUE(leak.declared) << leak.what;
}

TEST_F(DemoIntegration, KeepsSlabsApartAndTestSubjectsUnseen) {
  std::map<std::string, std::map<std::string, std::set<int>>> slices;  // by subject and split
  for (const auto& record : manifest().records()) {
    const std::string stem = record.image.stem().string();
    slices[record.subject][record.split].insert(std::stoi(stem.substr(stem.size() - 3)));
  }
  for (const char* subject : {"pyradiomics-lung1", "pyradiomics-brain2"}) {
    EXPECT_EQ(slices.at(subject).size(), 1U);
    EXPECT_TRUE(slices.at(subject).contains("test"));
  }
  for (const auto& [subject, splits] : slices) {
    for (const auto& [split, numbers] : splits) {
      for (const auto& [other, other_numbers] : splits) {
        if (split >= other) continue;
        for (const int k : numbers) {
          for (const int o : other_numbers) {
            // Slabs of 20 slices have no gap between the test slices and the next slab.
            const bool next_slab = std::max(k, o) % 20 < 2 && std::min(k, o) % 20 >= 18;
            EXPECT_TRUE(std::abs(k - o) > 2 || next_slab) << subject << " " << k << " " << o;
          }
        }
      }
    }
  }
}

TEST_F(DemoIntegration, AsksInWordsOfItsOwnInTestOnly) {
  std::map<std::string, std::set<std::string>> asked;  // test pairs by phrasing
  for (const auto& record : manifest().records()) {
    for (const auto& turn : record.turns) {
      bool unseen = false;
      for (const auto& target : demo_phrases()) {
        for (const auto* group : {&target.unseen, &target.unseen_clues}) {
          for (const auto& text : *group) {
            unseen = unseen || turn.question.find(text.substr(1)) != std::string::npos;
          }
        }
      }
      EXPECT_EQ(unseen, record.phrasing == "unseen") << record.id << ": " << turn.question;
      if (record.split != "test") continue;
      for (const auto& ids : turn.masks) {
        asked[record.phrasing].insert(picture_key(record) + " " + target_label(record, ids));
      }
    }
  }
  EXPECT_EQ(asked.at("seen"), asked.at("unseen"));
}

TEST_F(DemoIntegration, PhrasesAreTheLabelsAndAbsentOnesHaveNone) {
  for (const auto& record : manifest().records()) {
    std::size_t without = 0;
    EXPECT_LE(record.turns.size(), 4U);
    for (const auto& turn : record.turns) {
      std::vector<std::string> labels;
      for (const auto& ids : turn.masks) labels.push_back(target_label(record, ids));
      EXPECT_EQ(phrases_of(turn.answer), labels) << record.id;
      without += labels.empty() ? 1U : 0U;
    }
    EXPECT_EQ(record.absent.size(), without) << record.id;
  }
}

// "In this lower head MR slice that would be the cuneus (middle and upper head): not seen here."
TEST_F(DemoIntegration, AnAnswersPlaceSaysWhatItFinds) {
  const std::set<std::string> levels = {"lowest", "lower", "middle", "upper", "highest"};
  std::size_t there = 0, not_there = 0, in_spite = 0;
  for (const auto& record : manifest().records()) {
    if (record.split == "val") continue;  // asks for each structure separately
    for (const auto& turn : record.turns) {
      const auto open = turn.answer.find(" ("), close = turn.answer.find("): ");
      if (open == std::string::npos) {
        EXPECT_GT(turn.masks.size(), 1U) << turn.answer;  // asked for together with others
        continue;
      }
      ASSERT_LT(open, close) << turn.answer;
      const std::string level = split(turn.answer, ' ').at(2);
      std::string place = turn.answer.substr(open + 2, close - open - 2);
      std::erase(place, ',');
      std::set<std::string> named;
      for (const auto& word : split(place, ' ')) {
        if (levels.contains(word)) named.insert(word);
      }
      if (!levels.contains(level) || named.empty()) continue;
      if (!named.contains(level)) {
        EXPECT_TRUE(turn.masks.empty() || record.split == "train") << record.id << turn.answer;
        ++(turn.masks.empty() ? not_there : in_spite);
      } else if (record.split == "test") {  // the locations come from training slices alone
        EXPECT_FALSE(turn.masks.empty()) << record.id << ": " << turn.answer;
        ++there;
      }
    }
  }
  EXPECT_GT(there, 40U);
  EXPECT_GT(not_there, 200U);
  EXPECT_LT(in_spite, 5U);  // slices that show nothing else to ask for
}

TEST_F(DemoIntegration, TheSameSeedWritesTheSameBytes) {
  build_demo({.out = folder() / "two", .assets = asset_folder(), .seed = 0});
  for (const auto& entry : fs::recursive_directory_iterator(folder() / "one")) {
    if (!entry.is_regular_file()) continue;
    const auto other = folder() / "two" / fs::relative(entry.path(), folder() / "one");
    ASSERT_TRUE(fs::exists(other)) << other;
    EXPECT_EQ(read_file(entry.path()), read_file(other)) << other;
  }
  build_demo({.out = folder() / "two", .assets = asset_folder(), .seed = 1});
  EXPECT_NE(read_file(folder() / "one/manifest.jsonl"), read_file(folder() / "two/manifest.jsonl"));
}

TEST_F(DemoIntegration, MissingPackagesAreOneClearError) {
  EXPECT_THROW(build_demo({.out = folder() / "none", .assets = folder() / "nowhere", .seed = 0}),
               DataError);
  EXPECT_FALSE(fs::exists(folder() / "none"));
}

}  // namespace
}  // namespace medseg
