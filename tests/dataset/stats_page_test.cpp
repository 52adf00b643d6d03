#include "medseg/dataset/stats_page.h"

#include <gmock/gmock.h>

#include "medseg/base/file.h"
#include "medseg/dataset/fingerprint.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class StatsPage : public TempFolderTest {
 protected:
  void SetUp() override {
    Image image{16, 8, 1, std::vector<std::uint8_t>(128)};
    for (std::size_t i = 0; i < 128; ++i) image.pixels[i] = static_cast<std::uint8_t>(2 * i);
    write_png(folder_ / "a.png", image);
    image.pixels[0] = 9;
    write_png(folder_ / "b.png", image);
  }
  Manifest manifest(const std::string& label) const {
    const std::string tail =
        R"("masks":{"m":{"label":")" + label +
        R"(","polygons":[[1,1,5,1,5,5,1,5]]}},"conversations":[{"from":"human","value":)"
        R"("<image>\nWhere is it?"},{"from":"gpt","value":"Here [SEG].","masks":["m"]},)"
        R"({"from":"human","value":"And?"},{"from":"gpt","value":"None."}]})"
        "\n";
    write_file(
        folder_ / "manifest.jsonl",
        R"({"id":"1","image":"a.png","modality":"ct","subject":"s1","split":"train",)" + tail +
            R"({"id":"2","image":"b.png","modality":"ct","subject":"s1","split":"val",)" + tail);
    return Manifest::read(folder_ / "manifest.jsonl");
  }
};

TEST_F(StatsPage, ShowsCountsLeaksAndImagesAndRunsNothing) {
  const auto read = manifest("<script>alert(1)</script>");
  const auto page = stats_page(read, count_manifest(read));
  EXPECT_THAT(page, HasSubstr("&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, Not(HasSubstr("<script>")));
  EXPECT_THAT(page, HasSubstr("subject s1 in train, val (not declared)"));
  EXPECT_THAT(page, HasSubstr("data:image/png;base64,"));
}

TEST_F(StatsPage, FingerprintsMeasureWhatTheyName) {
  const auto found = fingerprint(manifest("liver"));
  EXPECT_EQ(found.pictures, 1);
  EXPECT_EQ(found.width.median, 16);
  EXPECT_EQ(found.height.greatest, 8);
  EXPECT_EQ(found.absent_turns, 1);
  EXPECT_EQ(found.turns, 2);
  EXPECT_EQ(found.records_by_target.at("liver"), 1);
  EXPECT_DOUBLE_EQ(found.mask_share.median, 16.0 / 128);
  EXPECT_EQ(found.length.greatest, 7);
}

TEST_F(StatsPage, FingerprintsNeedATrainingSplit) {
  write_file(folder_ / "manifest.jsonl",
             R"({"id":"1","image":"a.png","split":"test","conversations":[{"from":"human",)"
             R"("value":"<image>\nq"},{"from":"gpt","value":"None."}]})"
             "\n");
  EXPECT_THAT([&] { fingerprint(Manifest::read(folder_ / "manifest.jsonl")); },
              ThrowsError<DataError>((folder_ / "manifest.jsonl").string(), "no record"));
}

}  // namespace
}  // namespace medseg
