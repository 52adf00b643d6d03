// Files and manifests as other tools and other systems write them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"
#include "medseg/dataset/leaks.h"
#include "medseg/dataset/stats.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

fs::path golden(const std::string& name) {
  return fs::path(MEDSEG_SOURCE_DIR) / "tests/golden" / name;
}

class Cases : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              str_cat("cases-", getpid(), "-",
                      testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    Image image{19, 11, 1, {}};
    for (int i = 0; i < 19 * 11; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i));
    write_png(folder_ / "image.png", image);
    write_png(folder_ / "rgb.png", to_rgb(image));
  }
  void TearDown() override { fs::remove_all(folder_); }

  static std::string line(const std::string& id, const std::string& keys,
                          const std::string& mask = R"("polygons":[[1,1,9,1,9,9]])") {
    return R"({"id":")" + id + R"(",)" + keys + R"(,"masks":{"m":{"label":"cyst",)" + mask +
           R"(}},"conversations":[{"from":"human","value":"<image>\nWhat?"},{"from":"gpt","value":"A <p> cyst </p> [SEG].","masks":["m"]}]})" +
           "\n";
  }

  Findings findings(const std::string& text) const {
    write_file(folder_ / "manifest.jsonl", text);
    auto found = examine({folder_ / "manifest.jsonl"});
    for (auto* list : {&found.faults, &found.warnings}) {
      for (auto& fault : *list) {
        EXPECT_FALSE(fault.mend.empty());
        fault.what = str_cat(fault.line, " ", name_of(fault.kind), " ", fault.what);
      }
    }
    return found;
  }
  std::vector<std::string> faults(const std::string& text) const {
    std::vector<std::string> lines;
    for (const auto& fault : findings(text).faults) lines.push_back(fault.what);
    return lines;
  }
  std::vector<std::string> warnings(const std::string& text) const {
    auto found = findings(text);
    EXPECT_TRUE(found.faults.empty()) << (found.faults.empty() ? "" : found.faults[0].what);
    std::vector<std::string> lines;
    for (const auto& fault : found.warnings) lines.push_back(fault.what);
    return lines;
  }

  fs::path folder_;
};

const char* const kImage = R"("image":"image.png","split":"train","subject":"p1")";

TEST_F(Cases, ManifestsOfAnotherFormAreNamedInOneLine) {
  const std::string record = trim(line("a", kImage));
  std::string wide("\xff\xfe", 2);
  for (const char c : record) wide += {c, '\0'};
  EXPECT_THAT(faults(wide),
              ElementsAre(AllOf(HasSubstr("0 not-json-lines UTF-16"), HasSubstr("iconv"))));
  EXPECT_THAT(faults("[" + record + "]"), ElementsAre(HasSubstr("a JSON array of 1")));
  EXPECT_THAT(
      faults("[\n" + record + ",\n" + record + "\n]\n"),
      ElementsAre(AllOf(HasSubstr("a JSON array of 2"), HasSubstr("jq -c '.[]' manifest.jsonl"))));
  EXPECT_THAT(faults("{\n\"id\": \"a\"\n}\n"),
              ElementsAre(HasSubstr("one JSON object over many lines")));
  EXPECT_THAT(faults(R"({"images": [], "annotations": []})"),
              ElementsAre(HasSubstr("COCO's annotation file")));
  EXPECT_THAT(faults(R"({"text": ["t"], "shapes": []})"), ElementsAre(HasSubstr("ReasonSeg")));
  EXPECT_THAT(faults("[\n{\"id\": \"1\", \"conversations\": []}\n]"),
              ElementsAre(HasSubstr("LLaVA")));
  EXPECT_THAT(faults(R"({"labels": {"a": 1}, "channel_names": {}})"),
              ElementsAre(HasSubstr("nnU-Net")));
  try {
    Manifest::read(folder_ / "manifest.jsonl");
    FAIL() << "accepted";
  } catch (const ManifestError& error) {
    EXPECT_EQ(error.kind(), FaultKind::kNotJsonLines);
    EXPECT_EQ(error.where(), (folder_ / "manifest.jsonl").string());
  }
}

TEST_F(Cases, ByteOrderMarksAndWindowsLineEndsAreRead) {
  const std::string mark = "\xef\xbb\xbf", a = trim(line("a", kImage)), b = trim(line("b", kImage));
  for (const auto& text : {mark + a, mark + a + "\n" + mark + b, a + "\r\n" + b + "\r\n"})
    EXPECT_THAT(faults(text), IsEmpty()) << text;
}

TEST_F(Cases, LinesThatAreNearlyJsonSayWhatIsWrong) {
  const std::string good = trim(line("a", kImage));
  EXPECT_THAT(faults(good + ",\n"),
              ElementsAre(AllOf(HasSubstr("1 not-json"), HasSubstr("a comma behind"))));
  EXPECT_THAT(faults(good + good), ElementsAre(HasSubstr("two records in one line")));
  EXPECT_THAT(faults(line("a", R"("image":"image.png","spacing_mm":[NaN,1])")),
              ElementsAre(HasSubstr("NaN is no JSON number")));
  EXPECT_THAT(faults("{'id': 'a'}"), ElementsAre(HasSubstr("double quotes")));
  EXPECT_THAT(faults(R"({"id": None})"), ElementsAre(HasSubstr("None is Python")));
  EXPECT_THAT(faults(line("a", R"("image":"image.png","split":"val","split":"test")")),
              ElementsAre("1 duplicate-key split: stands twice"));
  EXPECT_THAT(
      faults(
          line("a", kImage,
               R"("polygons":[[1,1,9,1,9,9]]},"m":{"label":"stone","polygons":[[1,1,9,1,9,9]])")),
      ElementsAre("1 duplicate-key masks.m: stands twice"));
}

TEST_F(Cases, PathsOfOtherSystems) {
  EXPECT_THAT(faults(line("a", R"("image":".\\image.png")")),
              ElementsAre(AllOf(HasSubstr("a Windows path; write \"image.png\""))));
  EXPECT_THAT(faults(line("a", R"("image":"C:\\data\\image.png")")),
              ElementsAre(HasSubstr("a path of another computer")));
  EXPECT_THAT(faults(line("a", R"("image":"Image.PNG")")),
              ElementsAre(HasSubstr("there is \"image.png\"")));
  fs::copy(folder_ / "image.png", folder_ /
                                      "Scha\xcc\x88"
                                      "del.png");  // as macOS stores it
  EXPECT_THAT(faults(line("a",
                          "\"image\":\"Sch\xc3\xa4"
                          "del.png\"")),
              IsEmpty());
  EXPECT_THAT(warnings(line("a", R"("image":")" + (folder_ / "image.png").string() + R"(")")),
              ElementsAre(AllOf(HasSubstr("1 absolute-path image:"))));
}

TEST_F(Cases, WarnsOfSplitsMasksAndTurnsThatNothingUses) {
  EXPECT_THAT(warnings(line("a", R"("image":"image.png","split":"training")") +
                       line("b", R"("image":"image.png","split":"training")")),
              ElementsAre("1 split-name split \"training\" is none of train, val and test, and 1 "
                          "more record like it"));
  EXPECT_THAT(
      warnings(line("a", kImage,
                    R"("polygons":[[1,1,9,1,9,9]]},"n":{"label":"b","polygons":[[1,1,9,1,9,9]])")),
      ElementsAre("1 unused-mask masks.n: no [SEG] asks for it"));
  std::string open = trim(line("a", kImage));
  open.replace(open.size() - 2, 2, R"(,{"from":"human","value":"And?"}]})");
  EXPECT_THAT(warnings(open), ElementsAre("1 unanswered-question question 2 has no answer"));
}

TEST_F(Cases, MasksAreReadByTheirSamples) {
  for (const char* file : {"palette8.png", "grey_palette.png", "rgb_grey.png", "palette.tif"}) {
    fs::copy(golden("masks") / file, folder_ / file);
    const auto path = folder_ / "manifest.jsonl";
    write_file(path, line("a", kImage, str_cat(R"("file":")", file, R"(","value":2)")));
    const auto manifest = Manifest::read(path);
    EXPECT_EQ(load_mask(manifest, manifest.records()[0], {"m"}, 19, 11),
              read_mask(golden("masks/index.png"), 2))
        << file;
  }
  for (const char* file : {"colours.png", "soft.png", "ignore.png", "pages.tif", "hard.jpg"})
    fs::copy(golden("masks") / file, folder_ / file);
  EXPECT_THAT(faults(line("a", kImage, R"("file":"colours.png")")),
              ElementsAre(HasSubstr("[255, 0, 0]")));
  EXPECT_THAT(warnings(line("a", kImage, R"("file":"colours.png","value":[255,0,0])")), IsEmpty());
  EXPECT_THAT(warnings(line("a", kImage, R"("file":"soft.png")")),
              ElementsAre(HasSubstr("soft-mask masks.m: a soft mask")));
  EXPECT_THAT(warnings(line("a", kImage, R"("file":"soft.png","threshold":127)")), IsEmpty());
  EXPECT_THAT(warnings(line("a", kImage, R"("file":"ignore.png")")),
              ElementsAre(HasSubstr("1 ignore-label")));
  EXPECT_THAT(warnings(line("a", kImage, R"("file":"ignore.png","ignore":255)")), IsEmpty());
  EXPECT_THAT(faults(line("a", kImage, R"("file":"pages.tif")")),
              ElementsAre(HasSubstr("3 pages")));
  EXPECT_THAT(warnings(line("a", kImage, R"("file":"pages.tif","page":1)")), IsEmpty());
  EXPECT_THAT(faults(line("a", kImage, R"("file":"hard.jpg")")),
              ElementsAre(HasSubstr("\"threshold\": 127")));
  EXPECT_THAT(faults(line("a", kImage, R"("file":"soft.png","threshold":127,"value":3)")),
              ElementsAre(HasSubstr("stands beside \"value\"")));
  const auto manifest = [&] {
    write_file(folder_ / "manifest.jsonl",
               line("a", kImage, R"("file":"ignore.png","ignore":255)"));
    return Manifest::read(folder_ / "manifest.jsonl");
  }();
  EXPECT_EQ(load_ignored(manifest, manifest.records()[0], {"m"}, 19, 11).area(), 30);
  EXPECT_EQ(to_json_line(parse_record(to_json_line(manifest.records()[0]))),
            to_json_line(manifest.records()[0]));
}

TEST_F(Cases, LabelVolumesAreMasksOfTheRecordsSlice) {
  for (const char* file : {"plain.nii.gz", "pair.hdr", "pair.img", "scan.mha", "four_d.nii.gz"})
    fs::copy(golden("formats") / file, folder_ / file);
  const auto slice = [](int index, const char* file = "plain.nii.gz") {
    return str_cat(R"("image":")", file,
                   R"x(","modality":"mr","window":"w(-130, 140)","slice":{"axis":2,"index":)x",
                   index, "}");
  };
  const std::string text = line("a", slice(1), R"("file":"pair.hdr","value":52)");
  EXPECT_THAT(warnings(text), IsEmpty());
  const auto manifest = Manifest::read(folder_ / "manifest.jsonl");
  const Record& record = manifest.records()[0];
  const auto shown = read_image_of(manifest, record);
  EXPECT_EQ(shown.image.width, 5);
  EXPECT_EQ(shown.spacing_mm, (std::array<double, 2>{1.5, 2.0}));
  const Mask mask = load_mask(manifest, record, {"m"}, 5, 4);
  ASSERT_EQ(mask.area(), 1);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    if (mask.pixels[i] != 0)
      EXPECT_EQ(shown.image.pixels[i], std::lround(255.0 * (52 + 130) / 270));
  }
  EXPECT_THAT(faults(line("a", slice(1), R"("file":"scan.mha")")),
              ElementsAre(HasSubstr("on another grid")));
  EXPECT_THAT(faults(line("a", kImage, R"("file":"pair.hdr")")),
              ElementsAre(HasSubstr("needs a \"slice\"")));
  EXPECT_THAT(faults(line("a", slice(1, "four_d.nii.gz"))),
              ElementsAre(HasSubstr("3 volumes (4-D)")));
  EXPECT_THAT(
      faults(line(
          "a",
          R"x("image":"four_d.nii.gz","window":"w(-300, 300)","slice":{"index":1,"volume":2})x")),
      IsEmpty());
  EXPECT_THAT(faults(line("a", slice(7))),
              ElementsAre(HasSubstr("slice.index: 7 is out of range")));
}

TEST_F(Cases, AnImageFileAsMaskOfASliceSaysItsView) {
  fs::copy(golden("formats/plain.nii.gz"), folder_ / "plain.nii.gz");
  Mask mask(5, 4);
  mask.pixels[3] = 1;
  write_png(folder_ / "m.png", mask);
  EXPECT_THAT(
      warnings(line("a", R"x("image":"plain.nii.gz","window":"w(-130, 140)","slice":{"index":1})x",
                    R"("file":"m.png")")),
      ElementsAre(AllOf(HasSubstr("slice-view"), HasSubstr("the patient's right on the left"))));
}

TEST_F(Cases, WindowsThatNobodyNamedAreSaid) {
  fs::copy(golden("formats/plain.nii.gz"), folder_ / "plain.nii.gz");
  fs::copy(golden("masks/deep.png"), folder_ / "deep.png");
  EXPECT_THAT(warnings(line("a", R"("image":"deep.png","modality":"x-ray")")),
              ElementsAre(AllOf(HasSubstr("assumed-window"), HasSubstr("own-range(0, 900)"))));
  EXPECT_THAT(warnings(line("a", R"("image":"plain.nii.gz","modality":"ct","slice":{"index":1})",
                            R"("polygons":[[1,1,4,1,4,4]])")),
              ElementsAre(AllOf(HasSubstr("assumed-window"), HasSubstr("no Hounsfield units"))));
  // Stored from the head down: other programs call the same slice 2.
  EXPECT_THAT(
      warnings(line("a", R"x("image":"plain.nii.gz","window":"w(-130, 140)","slice":{"index":0})x",
                    R"("polygons":[[1,1,4,1,4,4]])")),
      ElementsAre(HasSubstr("slice-view slice 0 counts from the feet; the file (axes LAI) "
                            "stores it as number 2 along its axis 2")));
  write_png(folder_ / "flat.png", Image{19, 11, 1, std::vector<std::uint8_t>(19 * 11, 7)});
  EXPECT_THAT(warnings(line("a", R"("image":"flat.png")")),
              ElementsAre("1 flat-image image: only 1 grey value"));
  fs::copy(golden("masks/turned6.jpg"), folder_ / "turned.jpg");
  EXPECT_THAT(warnings(line("a", R"("image":"turned.jpg")")),
              ElementsAre(HasSubstr("turned-image image: the file says")));
  EXPECT_THAT(
      faults(line("a", R"("image":"turned.jpg")", R"("rle":{"size":[11,19],"counts":[9,200]})")),
      ElementsAre(AllOf(HasSubstr("mask-size"), HasSubstr("turned by a quarter"))));
}

TEST_F(Cases, LeaksAreFoundInAnyFormatAndSpelling) {
  for (const char* file : {"plain.nii.gz", "members.nii.gz", "pair.hdr", "pair.img"})
    fs::copy(golden("formats") / file, folder_ / file);
  const auto slice = [](const char* file, int index, const char* rest) {
    return str_cat(R"("image":")", file, R"x(","window":"w(-130, 140)","slice":{"index":)x", index,
                   "},", rest);
  };
  const char* const train = R"("split":"train")";
  const char* const test = R"("split":"test")";
  EXPECT_THAT(faults(line("a", slice("plain.nii.gz", 0, train)) +
                     line("b", slice("plain.nii.gz", 2, test))),
              ElementsAre("0 volume-leak volume plain.nii.gz stands in splits test, train"));
  EXPECT_THAT(
      faults(line("a", slice("members.nii.gz", 0, train)) + line("b", slice("pair.hdr", 0, test))),
      ElementsAre("0 volume-leak volume members.nii.gz = pair.hdr stands in splits test, train"));
  EXPECT_THAT(faults(line("a", slice("plain.nii.gz", 0, R"("split":"train","split_unit":"slab")")) +
                     line("b", slice("plain.nii.gz", 2, R"("split":"test","split_unit":"slab")"))),
              IsEmpty());
  EXPECT_THAT(faults(line("a", R"("image":"image.png","split":"train")") +
                     line("b", R"("image":"rgb.png","split":"test")")),
              ElementsAre("0 image-leak picture image.png = rgb.png stands in splits test, train"));
  write_png(folder_ / "other.png", Image{2, 1, 3, {0, 1, 2, 3, 4, 5}});
  EXPECT_THAT(faults(line("a", R"("image":"image.png","split":"train","subject":"P-001")") +
                     line("b", R"("image":"other.png","split":"test","subject":"p1")",
                          R"("polygons":[[0,0,2,0,2,1]])")),
              ElementsAre("0 subject-leak subject P-001 = p1 stands in splits test, train"));
}

TEST(SubjectKey, IsTheSameForOtherSpellingsOnly) {
  EXPECT_EQ(subject_key("Patient_007"), subject_key("patient-7"));
  EXPECT_EQ(subject_key("P001"), subject_key("p 1"));
  EXPECT_NE(subject_key("1_2"), subject_key("12"));
  EXPECT_NE(subject_key("p10"), subject_key("p1"));
  EXPECT_NE(subject_key("p0"), subject_key("p"));
  EXPECT_EQ(subject_key("0"), "0");
  EXPECT_EQ(subject_key("00"), "0");
}

TEST(FaultKinds, HaveANameAndAnAdviceEach) {
  std::set<std::string> names;
  for (const auto& [kind, name] : Choice<FaultKind>::names) {
    EXPECT_TRUE(names.insert(std::string(name)).second) << name;
    EXPECT_STRNE(advice_of(kind), "") << name;
  }
}

}  // namespace
}  // namespace medseg
