// Annotation files that are wrong or hostile: one line that names the file and the item.
#include <gmock/gmock.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/convert/convert.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;

class Hostile : public TempFolderTest {
 protected:
  void SetUp() override {
    write_png(folder_ / "src/a.png", Image{4, 4, 1, std::vector<std::uint8_t>(16, 7)});
    write_file(folder_ / "secret.png", read_file(folder_ / "src/a.png"));
  }

  /// The error of a conversion, or "none".
  std::string error(const std::string& format, const std::string& file, const std::string& text) {
    write_file(folder_ / "src" / file, text);
    ConvertOptions asked;
    asked.format = format;
    asked.sources = {folder_ / "src"};
    asked.out = folder_ / "out";
    std::string said = "none";
    try {
      convert(asked);
    } catch (const DataError& failure) {
      said = failure.what();
      EXPECT_THAT(said, HasSubstr("src"));
      EXPECT_EQ(said.find('\n'), std::string::npos);
    }
    EXPECT_FALSE(std::filesystem::exists(folder_ / "out")) << said;
    std::filesystem::remove_all(folder_ / "out");
    std::filesystem::remove(folder_ / "src" / file);
    return said;
  }

  static std::string coco(const std::string& image, const std::string& annotation) {
    return R"({"images": [{"id": 1, "file_name": "a.png")" + image +
           R"(}], "categories": [{"id": 1, "name": "x"}], "annotations": [{"image_id": 1, )"
           R"("category_id": 1, )" +
           annotation + "}]}";
  }
};

TEST_F(Hostile, WhatIsNoJson) {
  EXPECT_THAT(error("coco", "c.json", "{\"images\": [}"), HasSubstr("c.json: not JSON near byte"));
  EXPECT_THAT(error("coco", "c.json", std::string(100000, '[')),
              HasSubstr("nested deeper than 64"));
  EXPECT_THAT(
      error("coco", "c.json", "{\"a\":" + std::string(100, '[') + std::string(100, ']') + "}"),
      HasSubstr("nested deeper than 64"));
  EXPECT_THAT(error("coco", "c.json", "{\"a\": 1e999}"), HasSubstr("beyond what a double holds"));
  EXPECT_THAT(error("coco", "c.json", "{\"a\": 1, \"a\": 2}"), HasSubstr("stands twice"));
  EXPECT_THAT(error("coco", "c.json", "{}"),
              HasSubstr("nothing of coco found; expected JSON with"));
  EXPECT_THAT(error("coco", "c.json", std::string("\xff\xfe{\0}\0", 6)), HasSubstr("not JSON"));
}

TEST_F(Hostile, PathsThatLeaveTheSource) {
  for (const char* path : {"../secret.png", "/etc/passwd", "C:\\\\secret.png", "b/../../secret.png",
                           "..\\\\secret.png"}) {
    const std::string item = str_cat(R"([{"id": "1", "image": ")", path,
                                     R"(", "conversations": [{"from": "human", "value": "q"},)",
                                     R"({"from": "gpt", "value": "a"}]}])");
    EXPECT_THAT(error("llava", "l.json", item), HasSubstr("l.json: [0].image: ")) << path;
  }
  EXPECT_THAT(error("coco", "c.json",
                    R"({"images": [{"id": 1, "file_name": "../secret.png"}], "categories": [],)"
                    R"("annotations": []})"),
              HasSubstr("images[0].file_name: \"../secret.png\" leaves the source's folder"));
}

TEST_F(Hostile, CocoItemsThatAreWrong) {
  const auto said = [&](const std::string& annotation) {
    return error("coco", "c.json", coco("", annotation));
  };
  const std::string where = "c.json: annotations[0].segmentation";
  EXPECT_THAT(said(R"("segmentation": "x")"), HasSubstr(where + ": expected a list, found \"x\""));
  EXPECT_THAT(said(R"("segmentation": [[1, 2, 3]])"),
              HasSubstr(where + ": expected three or more"));
  EXPECT_THAT(said(R"("segmentation": [[1, 2, "3", 4, 5, 6]])"),
              HasSubstr(where + "[0][2]: expected a number"));
  EXPECT_THAT(said(R"("segmentation": [[1, 1, 1e300, 1, 3, 3]])"), HasSubstr(where + ": polygon"));
  EXPECT_THAT(said(R"("segmentation": {"size": [4, 4], "counts": [99]})"),
              HasSubstr(where + ".counts[0]"));
  EXPECT_THAT(said(R"("segmentation": {"size": [4, 4], "counts": "!!"})"), HasSubstr(where));
  EXPECT_THAT(said(R"("segmentation": {"size": [1000000, 1000000], "counts": []})"),
              HasSubstr(where + ".size: too many pixels"));
  EXPECT_THAT(said(R"("segmentation": {"size": [8, 8], "counts": [10, 4, 50]})"),
              HasSubstr("8 x 8 pixels, but the image has 4 x 4"));
  EXPECT_THAT(error("coco", "c.json",
                    R"({"images": [{"id": 1.5, "file_name": "a.png"}], "categories": [],)"
                    R"("annotations": []})"),
              HasSubstr("images[0].id: expected a whole number"));
  EXPECT_THAT(error("coco", "c.json",
                    R"({"images": [], "categories": [], "annotations": [{"image_id": 7,)"
                    R"("category_id": 1}]})"),
              HasSubstr("annotations[0].image_id: no image has this id"));
  EXPECT_THAT(error("coco", "c.json", R"({"images": {}, "categories": [], "annotations": []})"),
              HasSubstr("images: expected a list, found an object"));
}

TEST_F(Hostile, OtherFormatsNameTheirItems) {
  EXPECT_THAT(error("grandf", "g.json",
                    R"([{"file_name": "a.png", "caption": "a dog", "groundings": {"dog":)"
                    R"({"token_positives": [2, 99], "rle_masks": []}}}])"),
              HasSubstr("g.json: [0].groundings[\"dog\"].token_positives[1]"));
  EXPECT_THAT(
      error("muse", "m.json",
            R"([{"file_name": "a.png", "ann_list": [], "questions": ["q"], "answers": []}])"),
      HasSubstr("m.json: [0].answers: found 0 for 1 questions"));
  EXPECT_THAT(error("sa2va", "s.json", R"([{"image": "a.png", "mask": [[]], "text": ["t"]}])"),
              HasSubstr("s.json: [0].mask[0]: expected polygons"));
  EXPECT_THAT(error("labelme", "l.json",
                    R"({"imagePath": "a.png", "shapes": [{"label": "x", "shape_type": "mask",)"
                    R"("points": [[0, 0], [3, 3]], "mask": "AAAA"}]})"),
              HasSubstr("l.json: shapes[0].mask"));
  EXPECT_THAT(error("reasonseg", "a.json",
                    R"({"text": [], "shapes": [{"label": "target", "points": [[1]]}]})"),
              HasSubstr("a.json: shapes[0].points[0]: expected a point x, y"));
  EXPECT_THAT(error("medplib", "p.json",
                    R"([{"image": "a.png", "conversations": [{"from": "human", "value": "q"},)"
                    R"({"from": "gpt", "value": "<SEG><mask>../secret.png</mask>"}]}])"),
              HasSubstr("leaves the source's folder"));
  EXPECT_THAT(error("mr-medseg", "r.json",
                    R"({"conversations": [{"from": "human", "value": "[IMAGE256:a.png] q"},)"
                    R"({"from": "gpt", "value": "none"}]})"),
              HasSubstr("expected one [MASK-DECODE:path]"));
  EXPECT_THAT(error("nnunet", "dataset.json", R"({"labels": {"liver": -1}})"),
              HasSubstr("dataset.json: labels[\"liver\"]: expected a whole number"));
  EXPECT_THAT(
      error("decathlon", "dataset.json",
            R"({"labels": {"1": "x"}, "training": [{"image": "../secret.png", "label": "y"}]})"),
      HasSubstr("training[0].image"));
}

TEST_F(Hostile, PicklesAreNeverExecuted) {
  const auto said = [&](const std::string& pickle) {
    write_file(folder_ / "src/instances.json",
               R"({"images": [], "annotations": [], "categories": []})");
    return error("refcoco", "refs(unc).p", pickle);
  };
  EXPECT_THAT(said("cos\nsystem\n(S'true'\ntR."), HasSubstr("refs(unc).p: a pickle, at byte 1"));
  EXPECT_THAT(said("(lp0\n"), HasSubstr("cut short"));
  EXPECT_THAT(said("(lp0\ng0\na."), HasSubstr("nested deeper"));  // a list that holds itself
  std::string bomb = "(lp0\nI1\na";
  for (int i = 0; i < 30; ++i) bomb += str_cat("0(lp", i + 1, "\ng", i, "\nag", i, "\na");
  EXPECT_THAT(said(bomb + "."), HasSubstr("more values than"));
  EXPECT_THAT(said(std::string(100, ']') + std::string(99, 'a') + "."), HasSubstr("nested deeper"));
}

}  // namespace
}  // namespace medseg
