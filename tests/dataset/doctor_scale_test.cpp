// What the doctor does with many records and several threads.
#include <gmock/gmock.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::SizeIs;

class ManyRecords : public TempFolderTest {
 protected:
  void image(const std::string& name, int tone) const {
    Image made{8, 8, 1, {}};
    for (int i = 0; i < 64; ++i)
      made.pixels.push_back(static_cast<std::uint8_t>((i * 3 + tone) % 256));
    write_png(folder_ / name, made);
  }
  static std::string line(int id, const std::string& image, const std::string& polygon,
                          const std::string& split = "train") {
    return str_cat(R"({"id":"r)", id, R"(","image":")", image, R"(","split":")", split,
                   R"(","masks":{"m":{"label":"x","polygons":[)", polygon,
                   R"(]}},"conversations":[{"from":"human","value":"<image>\nq"},)",
                   R"({"from":"gpt","value":"[SEG]","masks":["m"]}]})", "\n");
  }
  static constexpr const char* kSquare = "[1,1,5,1,5,5,1,5]";
  static constexpr const char* kOutside = "[20,20,25,20,25,25]";

  std::vector<std::string> lines_of(const Findings& found) const {
    std::vector<std::string> lines;
    for (const auto& fault : found.faults)
      lines.push_back(str_cat(fault.line, " ", name_of(fault.kind), " ", fault.what));
    for (const auto& fault : found.warnings)
      lines.push_back(str_cat(fault.line, " warning ", fault.what));
    return lines;
  }
};

TEST_F(ManyRecords, FindingsDoNotDependOnTheNumberOfThreads) {
  for (int i = 0; i < 5; ++i) image(str_cat("i", i, ".png"), 7 * i);
  write_png(folder_ / "flat.png", Image{8, 8, 1, std::vector<std::uint8_t>(64, 9)});
  std::string text;
  for (int i = 0; i < 1500; ++i) {
    const std::string picture = i % 31 == 5 ? "flat.png" : str_cat("i", i % 5, ".png");
    text += line(i % 700 == 3 ? 3 : i, picture, i % 97 == 8 ? kOutside : kSquare,
                 i == 1400 ? "test" : "train");
    if (i % 301 == 7) text += "{\n";
  }
  write_file(folder_ / "manifest.jsonl", text);
  const auto one = lines_of(examine({folder_ / "manifest.jsonl"}, {1}));
  EXPECT_EQ(lines_of(examine({folder_ / "manifest.jsonl"}, {5})), one);
  EXPECT_EQ(examine({folder_ / "manifest.jsonl"}, {3}).records, 1500);
  EXPECT_THAT(one, ::testing::Contains("707 duplicate-id id \"r3\" stands in line 4 too"));
  EXPECT_THAT(one, ::testing::Contains("6 warning image: only 1 grey value"));
  EXPECT_THAT(one,
              ::testing::Contains("0 image-leak picture flat.png stands in splits test, train"));
}

TEST_F(ManyRecords, AThousandFindingsOfAKindAreKeptAndTheRestCounted) {
  image("i.png", 0);
  std::string text;
  for (int i = 0; i < 1300; ++i) text += line(i, "i.png", kOutside);
  write_file(folder_ / "manifest.jsonl", text);
  const auto found = examine({folder_ / "manifest.jsonl"});
  EXPECT_THAT(found.faults, SizeIs(1000));
  EXPECT_THAT(found.more_faults, ElementsAre(Pair(FaultKind::kEmptyMask, 300)));
  EXPECT_EQ(found.fault_count(), 1300);
}

TEST_F(ManyRecords, IdsOfSeveralManifestsAreCompared) {
  image("i.png", 0);
  write_file(folder_ / "a.jsonl", line(1, "i.png", kSquare));
  write_file(folder_ / "b.jsonl", line(1, "i.png", kSquare, "test"));
  const auto found = examine({folder_ / "a.jsonl", folder_ / "b.jsonl"});
  ASSERT_THAT(found.faults, SizeIs(2));
  EXPECT_EQ(found.faults[0].what,
            "id \"r1\" stands in " + (folder_ / "a.jsonl").string() + " line 1 too");
  EXPECT_EQ(found.faults[0].file, (folder_ / "b.jsonl").string());
  EXPECT_EQ(found.faults[1].file, (folder_ / "a.jsonl").string());
  EXPECT_EQ(found.faults[1].kind, FaultKind::kImageLeak);
}

}  // namespace
}  // namespace medseg
