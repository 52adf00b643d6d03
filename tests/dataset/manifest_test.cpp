#include "medseg/dataset/manifest.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Manifests : public TempFolderTest {
 protected:
  fs::path write(const std::string& text) const {
    write_file(folder_ / "manifest.jsonl", text);
    return folder_ / "manifest.jsonl";
  }

  /// What is said about `line`, without the file's name.
  std::string complaint(const std::string& line) const {
    const fs::path path = write(line);
    try {
      Manifest::read(path);
    } catch (const DataError& error) {
      const std::string text = error.what();
      const std::string front = path.string() + ":";
      return text.starts_with(front) ? text.substr(front.size()) : text;
    }
    return "";
  }
};

const char* const kTurns =
    R"("conversations":[{"from":"human","value":"<image>\nWhere?"},{"from":"gpt","value":"Here."}])";

std::string with(const std::string& keys) {
  return R"({"id":"a","image":"a.png",)" + keys + "," + kTurns + "}";
}

std::string turns(const std::string& list, const std::string& masks = "{}") {
  return R"({"id":"a","image":"a.png","masks":)" + masks + R"(,"conversations":)" + list + "}";
}

const std::vector<std::string>& good_lines() {
  static const std::vector<std::string> lines = {
      with(R"("modality":"ct")"),
      with(R"("subject":"s1","split":"train","split_unit":"slab")"),
      with(R"("source":"somewhere","licence":"CC0","spacing_mm":[0.957,1.5])"),
      with(R"("window":"ct-bone","slice":{"axis":1,"index":41})"),
      with(R"x("window":"mr-percentile(12, 1480.5)","slice":{"index":0})x"),
      with(R"("masks":{"m0":{"label":"skull","file":"m.png","value":3,"kind":"rule"}})"),
      with(R"("masks":{"m0":{"label":"skull","rle":{"size":[2,2],"counts":"13"}}})"),
      with(R"("masks":{"m0":{"label":"skull","polygons":[[0,0,3.5,0,3.5,3]]}})"),
      with(R"("absent":["lungs"],"phrasing":"unseen","scanner":"free keys pass")"),
      with(R"("review":{"status":"accepted","reviewer":"r1","note":"ok"})"),
      turns(
          R"([{"from":"human","value":"<image>\nBoth?"},{"from":"gpt","value":"A [SEG], B [SEG].","masks":["m0",["m0","m1"]]},{"from":"human","value":"open"}])",
          R"({"m0":{"label":"a","file":"a"},"m1":{"label":"b","file":"b"}})"),
  };
  return lines;
}

TEST_F(Manifests, OfEveryFormComeBackTheSame) {
  for (const auto& line : good_lines()) {
    ASSERT_EQ(complaint(line), "") << line;
    const std::string once = to_json_line(Manifest::read(write(line)).records().front());
    const std::string twice = to_json_line(Manifest::read(write(once)).records().front());
    EXPECT_EQ(once, twice);
  }
  const auto record = parse_record(good_lines()[10]);
  ASSERT_EQ(record.turns.size(), 2U);
  EXPECT_EQ(record.turns[0].masks, (std::vector<std::vector<std::string>>{{"m0"}, {"m0", "m1"}}));
  EXPECT_FALSE(record.turns[1].has_answer);
  EXPECT_EQ(parse_record(good_lines()[5]).masks.at("m0").value, 3);
  EXPECT_EQ(parse_record(good_lines()[3]).slice->index, 41);
  EXPECT_EQ(parse_record(good_lines()[9]).review->reviewer, "r1");
}

TEST_F(Manifests, AreWrittenInTheOrderOfTheContract) {
  EXPECT_EQ(
      to_json_line(parse_record(
          R"({"conversations":[{"from":"human","value":"q"},{"value":"A [SEG].","from":"gpt","masks":["m0"]}],"masks":{"m0":{"file":"m.png","label":"l"}},"split":"val","image":"i.png","id":"x"})")),
      R"({"id":"x","image":"i.png","split":"val","masks":{"m0":{"label":"l","file":"m.png"}},"conversations":[{"from":"human","value":"q"},{"from":"gpt","value":"A [SEG].","masks":["m0"]}]})");
}

struct Fault {
  std::string line;
  std::string message;
};

TEST_F(Manifests, NameEachFaultOfForm) {
  const std::string human = R"({"from":"human","value":"<image>\nq"})";
  const std::string mask = R"({"m0":{"label":"a","file":"a.png"}})";
  const std::vector<Fault> faults = {
      {"{", "1: not JSON near byte 2"},
      {"[1]", "1: expected an object, found [1]"},
      {R"({"image":"a.png"})", "1: id: missing"},
      {R"({"id":"","image":"a.png"})", "1: id: empty"},
      {R"({"id":7,"image":"a.png"})", "1: id: expected text, found 7"},
      {R"({"id":"a"})", "1: image: missing"},
      {R"({"id":"a","imgae":"a.png"})", R"x(1: imgae: unknown key (did you mean "image"?))x"},
      {R"({"id":"a","image":"a.png"})", "1: conversations: missing"},
      {turns("[]"), "1: conversations: expected a list of turns, found []"},
      {turns("[3]"), "1: conversations[0]: expected an object, found 3"},
      {turns(R"([{"value":"q"}])"), "1: conversations[0].from: missing"},
      {turns(R"([{"from":"human"}])"), "1: conversations[0].value: missing"},
      {turns(R"([{"from":"user","value":"q"}])"),
       R"(1: conversations[0].from: expected "human" or "gpt", found "user")"},
      {turns(R"([{"from":"gpt","value":"a"}])"),
       R"(1: conversations[0].from: "gpt" without a question; expected "human")"},
      {turns("[" + human + "," + human + "]"),
       R"(1: conversations[1].from: "human" twice in a row; expected "gpt")"},
      {turns("[" + human + R"(,{"from":"gpt","value":"[SEG] [SEG]","masks":["m0"]}])", mask),
       "1: conversations[1].masks: [SEG] count 2, masks 1"},
      {turns("[" + human + R"(,{"from":"gpt","value":"none","masks":["m0"]}])", mask),
       "1: conversations[1].masks: [SEG] count 0, masks 1"},
      {turns("[" + human + R"(,{"from":"gpt","value":"[SEG]","masks":["m1"]}])", mask),
       R"(1: conversations[1].masks: unknown mask "m1"; known are m0)"},
      {turns("[" + human + R"(,{"from":"gpt","value":"[SEG]","masks":["m1"]}])"),
       R"(1: conversations[1].masks: unknown mask "m1"; the record has none)"},
      {turns("[" + human + R"(,{"from":"gpt","value":"[SEG]","masks":[[]]}])", mask),
       "1: conversations[1].masks: expected mask ids, found []"},
      {turns("[" + human + R"(,{"from":"gpt","value":"[SEG]","masks":[4]}])", mask),
       "1: conversations[1].masks: expected mask ids, found 4"},
      {turns("[" + human + R"(,{"from":"gpt","value":"[SEG]","masks":"m0"}])", mask),
       R"(1: conversations[1].masks: expected a list, found "m0")"},
      {with(R"("masks":[])"), "1: masks: expected an object, found []"},
      {with(R"("masks":{"m0":{"file":"a.png"}})"), "1: masks.m0.label: missing"},
      {with(R"("masks":{"m0":{"label":"a"}})"),
       "1: masks.m0: expected one of file, rle, polygons, found 0"},
      {with(R"("masks":{"m0":{"label":"a","file":"f","polygons":[[0,0,1,0,1,1]]}})"),
       "1: masks.m0: expected one of file, rle, polygons, found 2"},
      {with(R"("masks":{"m0":{"label":"a","file":"f","value":-1}})"),
       "1: masks.m0.value: expected a whole number from 0 to 65535, found -1"},
      {with(R"("masks":{"m0":{"label":"a","value":1,"polygons":[[0,0,1,0,1,1]]}})"),
       "1: masks.m0.value: needs a file"},
      {with(R"("masks":{"m0":{"label":"a","polygons":[[0,0,1,0]]}})"),
       "1: masks.m0.polygons: expected three or more points x, y, found [0,0,1,0]"},
      {with(R"("masks":{"m0":{"label":"a","rle":{"counts":"x"}}})"),
       "1: masks.m0.rle.size: missing; expected [height, width]"},
      {with(R"("masks":{"m0":{"label":"a","rle":{"size":[2,2],"counts":[1,9]}}})"),
       "1: masks.m0.rle.counts: the runs exceed height * width"},
      {with(R"("spacing_mm":[0,1])"), "1: spacing_mm: expected two numbers above 0, found [0,1]"},
      {with(R"("slice":{"axis":3,"index":1})"),
       "1: slice.axis: expected a whole number from 0 to 2, found 3"},
      {with(R"("slice":{"axis":2})"), "1: slice.index: missing"},
      {with(R"("split_unit":"patient")"),
       R"(1: split_unit: expected "subject" or "slab", found "patient")"},
      {with(R"("absent":"lungs")"), R"(1: absent: expected a list of texts, found "lungs")"},
      {with(R"x("window":"ct-bone(5, 2)")x"),
       R"x(1: window: expected a name or name(low, high), found "ct-bone(5, 2)")x"},
      {"", " no records"},
      {with(R"("split":"val")") + "\n\n" + with(R"("split":"val")"),
       R"(3: id: "a" stands in line 1 too)"},
  };
  for (const auto& fault : faults) {
    EXPECT_EQ(complaint(fault.line), fault.message) << fault.line;
  }
}

TEST_F(Manifests, WindowsAreNamesWithOrWithoutBounds) {
  const Window window = parse_window("mr-percentile(12, 1480.5)");
  EXPECT_EQ(window.name, "mr-percentile");
  EXPECT_EQ(window.low, 12);
  EXPECT_EQ(window.high, 1480.5);
  EXPECT_EQ(window_text(window), "mr-percentile(12, 1480.5)");
  EXPECT_EQ(parse_window("ct-bone").low, named_window("ct-bone").low);
  EXPECT_THROW(parse_window("ct-wood"), ConfigError);
  EXPECT_THROW(parse_window("ct-bone(1)"), ConfigError);
  EXPECT_THROW(parse_window("ct-bone(1, two)"), ConfigError);
}

TEST_F(Manifests, MasksComeFromPicturesRunsAndPolygonsAndUnite) {
  Image labels{.width = 4, .height = 3, .channels = 1, .pixels = {}};
  labels.pixels = {0, 1, 2, 2, 0, 1, 2, 2, 0, 0, 0, 9};
  write_png(folder_ / "labels.png", labels);
  write_png(folder_ / "a.png", labels);
  const auto path = write(turns(
      R"([{"from":"human","value":"<image>\nq"},{"from":"gpt","value":"[SEG]","masks":[["one","nine"]]}])",
      R"({"one":{"label":"a","file":"labels.png","value":1},"nine":{"label":"a","file":"labels.png","value":9},)"
      R"("any":{"label":"a","file":"labels.png"},"runs":{"label":"a","rle":{"size":[3,4],"counts":[0,3,9]}},)"
      R"("short":{"label":"a","rle":{"size":[2,2],"counts":[0,4]}},"gone":{"label":"a","file":"gone.png"}})"));
  const Manifest manifest = Manifest::read(path);
  const Record& record = manifest.records().front();
  EXPECT_EQ(load_image(manifest, record).pixels, labels.pixels);
  const auto pixels = [&](const std::vector<std::string>& ids) {
    return load_mask(manifest, record, ids, 4, 3).pixels;
  };
  using Pixels = std::vector<std::uint8_t>;
  EXPECT_EQ(pixels({"one"}), (Pixels{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(pixels({"one", "nine"}), (Pixels{0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}));
  EXPECT_EQ(pixels({"any"}), (Pixels{0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1}));
  EXPECT_EQ(pixels({"runs"}), (Pixels{1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}));
  const auto fault = [&](const std::string& id) {
    try {
      pixels({id});
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(fault("short"),
            path.string() + ":1: masks.short: 2 x 2 pixels, but the picture has 4 x 3");
  EXPECT_EQ(fault("none"), path.string() + ":1: masks: unknown mask \"none\"");
  EXPECT_TRUE(fault("gone").starts_with(path.string() + ":1: masks.gone: ")) << fault("gone");
}

TEST_F(Manifests, SlicesOfAVolumeAreCutAlongAnyAxis) {
  // Voxel (i, j, k) of a 2 x 3 x 2 scan in right-anterior-superior axes is 100 i + 10 j + k.
  std::string voxels;
  for (int k = 0; k < 2; ++k) {
    for (int j = 0; j < 3; ++j) {
      for (int i = 0; i < 2; ++i) voxels += static_cast<char>(100 * i + 10 * j + k);
    }
  }
  write_file(folder_ / "v.nrrd",
             "NRRD0004\ntype: uchar\ndimension: 3\nspace: right-anterior-superior\n"
             "sizes: 2 3 2\nspace directions: (1,0,0) (0,1,0) (0,0,1)\nspace origin: (0,0,0)\n"
             "encoding: raw\n\n" +
                 voxels);
  const auto pixels = [&](int axis, int index) {
    const Manifest manifest = Manifest::read(
        write(R"x({"id":"a","image":"v.nrrd","window":"w(0, 255)","slice":{"axis":)x" +
              str_cat(axis, R"(,"index":)", index) + "}," + kTurns + "}"));
    return load_image(manifest, manifest.records().front()).pixels;
  };
  using Pixels = std::vector<std::uint8_t>;
  EXPECT_EQ(pixels(2, 1),
            (Pixels{121, 21, 111, 11, 101, 1}));        // front at the top, right on the left
  EXPECT_EQ(pixels(1, 2), (Pixels{121, 21, 120, 20}));  // head at the top
  EXPECT_EQ(pixels(0, 1), (Pixels{121, 111, 101, 120, 110, 100}));  // front on the left
  try {
    pixels(1, 3);
    FAIL();
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(),
              (folder_ / "manifest.jsonl").string() +
                  ":1: slice.index: 3 is out of range: v.nrrd has 3 slices along axis 1");
  }
}

TEST(ParseRecord, ANumberBeyondADoubleIsAFaultOfTheLine) {  // found by fuzzing
  try {
    parse_record(R"({"id": "a", "spacing_mm": [1e999, 1]})");
    FAIL() << "accepted";
  } catch (const DataError& error) {
    EXPECT_STREQ(error.what(), "a number is beyond what a double holds");
  }
}

}  // namespace
}  // namespace medseg
