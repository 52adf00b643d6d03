// Coordinates and slice numbers that other programs count otherwise.
#include <gmock/gmock.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Geometry : public TempFolderTest {
 protected:
  std::vector<std::string> said(const std::string& polygons) const {
    Image image{40, 20, 1, {}};
    for (int i = 0; i < 800; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i % 251));
    write_png(folder_ / "i.png", image);
    write_file(folder_ / "manifest.jsonl",
               R"({"id":"a","image":"i.png","masks":{"m":{"label":"x","polygons":)" + polygons +
                   R"(}},"conversations":[{"from":"human","value":"<image>\nq"},)"
                   R"({"from":"gpt","value":"[SEG]","masks":["m"]}]})"
                   "\n");
    std::vector<std::string> lines;
    const auto found = examine({folder_ / "manifest.jsonl"});
    for (const auto& fault : found.faults) lines.push_back(fault.what);
    for (const auto& fault : found.warnings)
      lines.push_back(str_cat(name_of(fault.kind), " ", fault.what));
    return lines;
  }
};

TEST_F(Geometry, PolygonsInPixelsAreFine) {
  EXPECT_THAT(said("[[1,1,10,1,10,10,1,10],[20,1,30,1,30,10]]"), IsEmpty());
  EXPECT_THAT(said("[[0,0,40,0,40,20,0,20]]"), IsEmpty());
  EXPECT_THAT(said("[[-1,-1,41,-1,41,21,-1,21]]"), IsEmpty());
}

TEST_F(Geometry, PolygonsThatOtherToolsCountOtherwise) {
  EXPECT_THAT(said("[[0.2,0.2,0.8,0.2,0.8,0.8]]"),
              ::testing::Contains(AllOf(HasSubstr("mask-size masks.m: polygon coordinates from 0"),
                                        HasSubstr("multiply x by 40 and y by 20"))));
  EXPECT_THAT(said("[[1,30,10,30,10,39,1,39]]"),
              ::testing::Contains(HasSubstr("x and y seem to have changed places")));
  EXPECT_THAT(said("[[1,1,90,1,90,10,1,10]]"),
              ElementsAre(HasSubstr("(1, 1) to (90, 10) reach beyond the image of 40 x 20")));
  EXPECT_THAT(said("[[1,1,15,1,15,15,1,15],[4,4,8,4,8,8,4,8]]"),
              ElementsAre(HasSubstr("ring 2 lies inside ring 1")));
}

}  // namespace
}  // namespace medseg
