#include "medseg/dataset/doctor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/stats.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Doctor : public TempFolderTest {
 protected:
  void SetUp() override {
    write_picture("a.png", 8, 1);
    write_picture("b.png", 8, 2);
    Mask mask(8, 8);
    mask.pixels[9] = 1;
    write_png(folder_ / "mask.png", mask);
    write_png(folder_ / "empty.png", Mask(8, 8));
    write_png(folder_ / "small.png", Mask(4, 8));
  }

  void write_picture(const std::string& name, int side, std::uint8_t grey) const {
    const auto pixels = static_cast<std::size_t>(side) * static_cast<std::size_t>(side);
    write_png(folder_ / name, Image{side, side, 1, std::vector<std::uint8_t>(pixels, grey)});
  }

  /// A record whose parts a test can replace.
  struct Parts {
    std::string id = "a";
    std::string image = "a.png";
    std::string keys = R"("subject":"s1","split":"train",)";
    std::string mask = "mask.png";
    std::string question = "<image>\\nWhere?";
    std::string more = {};
  };
  static std::string line(const Parts& p) {
    return R"({"id":")" + p.id + R"(","image":")" + p.image + R"(",)" + p.keys +
           R"("masks":{"m0":{"label":"skull","file":")" + p.mask +
           R"("}},"conversations":[{"from":"human","value":")" + p.question +
           R"("},{"from":"gpt","value":"The <p> skull </p> [SEG].","masks":["m0"]})" + p.more +
           "]}\n";
  }

  std::vector<std::string> findings(const std::string& text) const {
    write_file(folder_ / "manifest.jsonl", text);
    std::vector<std::string> found;
    for (const auto& fault : examine({folder_ / "manifest.jsonl"}).faults) {
      EXPECT_FALSE(fault.mend.empty()) << fault.what;
      found.push_back(str_cat(fault.line, ": ", fault.what));
    }
    return found;
  }
  std::string where(const std::string& name) const { return (folder_ / name).string(); }
};

using Findings = std::vector<std::string>;

TEST_F(Doctor, FindsNothingInASoundManifest) {
  EXPECT_EQ(findings(line({}) + line({.id = "b", .image = "b.png"})), Findings{});
}

TEST_F(Doctor, FindsEveryFaultOfFormAndGoesOn) {
  EXPECT_EQ(findings("{\n" + line({}) + R"({"id":"x"})"),
            (Findings{"1: not JSON near byte 2", "3: image: missing"}));
}

TEST_F(Doctor, FindsACountOfSegThatDiffersFromTheMasks) {
  EXPECT_EQ(
      findings(line({.more = R"(,{"from":"human","value":"q"},{"from":"gpt","value":"[SEG]"})"})),
      (Findings{"1: conversations[3].masks: [SEG] count 1, masks 0"}));
}

TEST_F(Doctor, FindsAnUnknownMask) {
  EXPECT_EQ(
      findings(line(
          {.more =
               R"(,{"from":"human","value":"q"},{"from":"gpt","value":"[SEG]","masks":["m7"]})"})),
      (Findings{R"(1: conversations[3].masks: unknown mask "m7"; known are m0)"}));
}

TEST_F(Doctor, FindsMissingAndUnreadableFiles) {
  auto found = findings(line({.image = "gone.png"}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].starts_with("1: image: " + where("gone.png"))) << found[0];
  write_file(folder_ / "text.png", "no picture");
  found = findings(line({.mask = "text.png"}));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].starts_with("1: masks.m0: " + where("text.png"))) << found[0];
}

TEST_F(Doctor, FindsAMaskOfAnotherSizeAndAnEmptyOne) {
  EXPECT_EQ(findings(line({.mask = "small.png"})),
            (Findings{"1: masks.m0: 4 x 8 pixels, but the picture has 8 x 8"}));
  EXPECT_EQ(findings(line({.mask = "empty.png"})), (Findings{"1: masks.m0: empty behind [SEG]"}));
}

TEST_F(Doctor, FindsIdsThatComeTwice) {
  EXPECT_EQ(findings(line({}) + line({})), (Findings{R"(2: id "a" stands in line 1 too)"}));
}

TEST_F(Doctor, FindsAnAbsentStructureWithAMask) {
  EXPECT_EQ(findings(line({.keys = R"("absent":["skull"],)"})),
            (Findings{R"(1: "skull" is absent and has the mask "m0")"}));
}

TEST_F(Doctor, FindsASubjectInTwoSplitsUnlessSplitBySlab) {
  const std::string other = R"("subject":"s1","split":"test",)";
  EXPECT_EQ(findings(line({}) + line({.id = "b", .image = "b.png", .keys = other})),
            (Findings{"0: subject s1 stands in splits test, train"}));
  const std::string slab = R"("split_unit":"slab",)";
  EXPECT_EQ(findings(line({.keys = Parts{}.keys + slab}) +
                     line({.id = "b", .image = "b.png", .keys = other + slab})),
            Findings{});
}

TEST_F(Doctor, FindsEqualPicturesInTwoSplits) {
  write_picture("copy.png", 8, 1);
  EXPECT_EQ(
      findings(line({}) +
               line({.id = "b", .image = "copy.png", .keys = R"("subject":"s2","split":"val",)"})),
      (Findings{"0: picture a.png = copy.png stands in splits train, val"}));
}

TEST_F(Doctor, FindsEmptyQuestionsAndMisplacedImages) {
  EXPECT_EQ(findings(line({.question = "<image>\\n "})), (Findings{"1: question 1 is empty"}));
  EXPECT_EQ(findings(line({.question = "Where?"})),
            (Findings{"1: <image> is missing from the first question"}));
  EXPECT_EQ(
      findings(line(
          {.more = R"(,{"from":"human","value":"<image>\nq"},{"from":"gpt","value":"none"})"})),
      (Findings{"1: <image> stands in question 2"}));
  EXPECT_EQ(findings(line({.question = "<image><image> q"})),
            (Findings{"1: <image> stands twice in question 1"}));
}

TEST_F(Doctor, SaysWhichManifestIsMissing) {
  const auto faults = examine({folder_ / "none.jsonl"}).faults;
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].file, where("none.jsonl"));
  EXPECT_EQ(faults[0].line, 0);
}

TEST_F(Doctor, LeavesCountsToTheStatistics) {
  write_file(folder_ / "manifest.jsonl",
             line({.more = R"(,{"from":"human","value":"q"},{"from":"gpt","value":"none"})"}) +
                 line({.id = "b", .keys = R"("subject":"s1","split":"test",)"}));
  const auto stats = count_manifest(Manifest::read(folder_ / "manifest.jsonl"));
  const auto& train = stats.splits.at("train");
  EXPECT_EQ(train.records, 1);
  EXPECT_EQ(train.pairs, 1);
  EXPECT_EQ(train.answered_turns, 2);
  EXPECT_EQ(train.absent_turns, 1);
  EXPECT_EQ(train.pairs_by_target, (std::map<std::string, std::int64_t>{{"skull", 1}}));
  EXPECT_EQ(train.turns_by_seg, (std::map<std::int64_t, std::int64_t>{{0, 1}, {1, 1}}));
  ASSERT_EQ(stats.leaks.size(), 2U);
  EXPECT_EQ(stats.leaks[0].what, "subject s1");
  EXPECT_EQ(stats.leaks[1].what, "picture a.png");
  EXPECT_FALSE(stats.leaks[0].declared);
  EXPECT_NE(stats_text(stats).find("subject s1 in test, train (NOT DECLARED)"), std::string::npos);
  EXPECT_NE(stats_json(stats).find(R"("pairs":1)"), std::string::npos);
}

}  // namespace
}  // namespace medseg
