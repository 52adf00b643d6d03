// Small fixtures of each format that is only read, and what conversions promise.
#include <algorithm>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "convert/convert_fixture.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/convert/convert.h"
#include "medseg/convert/new_set.h"
#include "medseg/image/codec.h"
#include "support/throws.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

using Readers = ConvertTest;

TEST_F(Readers, PairsBindImagesAndMasksByTheirNames) {
  for (int i = 0; i < 6; ++i) {
    image(str_cat("images/p_", i, "_a.png"), i);
    mask(str_cat("masks/p_", i, "_a_left_lung.png"), 5);
    if (i % 2 == 0) mask(str_cat("masks/p_", i, "_a_right_lung.png"), 25);
  }
  image("images/lonely.png", 99);
  auto asked = options("pairs");
  asked.images = "images/{case}.png";
  asked.masks = "masks/{case}_{label}.png";
  asked.modality = "xray";
  asked.absent = 1;
  const auto manifest = read(asked);
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("left lung", "right lung"));
  EXPECT_THAT(denied(manifest), UnorderedElementsAre("right lung"));
  EXPECT_EQ(summary_.pictures, 6);
  ASSERT_EQ(summary_.skipped.size(), 1U);
  EXPECT_EQ(summary_.skipped[0].reason, "an image without a mask file");
  EXPECT_EQ(manifest.records().front().modality, "xray");
}

TEST_F(Readers, NumberedLabelsNeedNames) {
  image("images/a.png");
  Image map{40, 30, 1, std::vector<std::uint8_t>(1200)};
  for (std::size_t i = 0; i < 400; ++i) map.pixels[i] = i < 200 ? 1 : 2;
  write_png(folder_ / "src/masks/a.png", map);
  auto asked = options("pairs");
  asked.images = "images/{case}.png";
  asked.masks = "masks/{case}.png";
  EXPECT_THAT([&] { convert(asked); }, ThrowsError<ConfigError>("--labels", "1=liver,2=tumour"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  asked.labels = parse_labels("--labels", "1=liver,1+2=liver with tumour");
  const auto manifest = read(asked);
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("liver", "liver with tumour"));
}

TEST_F(Readers, VolumesBecomeSlicesAndFarSlicesDeny) {
  write_new_set(folder_ / "new");
  fs::create_directories(folder_ / "src/case1");
  fs::copy_file(folder_ / "new/scan.nii", folder_ / "src/case1/ct.nii");
  fs::copy_file(folder_ / "new/labels.nii", folder_ / "src/case1/labels.nii");
  auto asked = options("pairs");
  asked.images = "{case}/ct.nii";
  asked.masks = "{case}/labels.nii";
  asked.labels = parse_labels("--labels", "1=bright organ,2=dark organ,1+2=organs");
  asked.modality = "ct";
  asked.absent = 0;
  const auto manifest = read(asked);
  EXPECT_EQ(summary_.pictures, 6);
  const auto& record = manifest.records().front();
  ASSERT_TRUE(record.slice.has_value());
  EXPECT_EQ(record.subject, "case1");
  EXPECT_TRUE(record.window.starts_with("ct-soft")) << record.window;
  EXPECT_EQ(record.image.generic_string(), "../src/case1/ct.nii");
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("bright organ", "dark organ", "organs"));
}

TEST_F(Readers, StructuresNearASliceAreNotDenied) {
  write_new_set(folder_ / "new");
  fs::create_directories(folder_ / "src");
  fs::copy_file(folder_ / "new/scan.nii", folder_ / "src/a_ct.nii");
  fs::copy_file(folder_ / "new/labels.nii", folder_ / "src/a_seg.nii");
  auto asked = options("pairs");
  asked.images = "{case}_ct.nii";
  asked.masks = "{case}_seg.nii";
  asked.labels = parse_labels("--labels", "1=bright organ,3=spleen");
  asked.absent = 10;
  const auto manifest = read(asked);
  // The twelve slices show the organ from 3 to 8; nothing is farther than three slices from it.
  EXPECT_EQ(summary_.pictures, 6);
  EXPECT_THAT(denied(manifest), UnorderedElementsAre("spleen"));
}

TEST_F(Readers, SmallStructuresAreNeitherAskedForNorDenied) {
  for (int i = 0; i < 4; ++i) {
    image(str_cat("images/", i, ".png"), i);
    mask(str_cat("masks/", i, "_polyp.png"), 5, i == 0 ? 3 : 10);
    mask(str_cat("masks/", i, "_tool.png"), 20);
  }
  auto asked = options("pairs");
  asked.images = "images/{case}.png";
  asked.masks = "masks/{case}_{label}.png";
  asked.absent = 10;
  const auto manifest = read(asked);
  EXPECT_TRUE(denied(manifest).empty());
  for (const auto& record : manifest.records()) {
    if (record.subject != "0") continue;
    EXPECT_EQ(record.turns.size(), 1U);
  }
}

TEST_F(Readers, CocoWithPolygonsRunsAndBoxes) {
  image("a.png");
  image("b.png", 5);
  text("instances.json", R"({"info": {"contributor": "Jane Doe"},
    "images": [{"id": 1, "file_name": "a.png", "height": 30, "width": 40, "patient_id": "p7"},
               {"id": 2, "file_name": "b.png", "height": 30, "width": 40},
               {"id": 3, "file_name": "gone.png", "height": 30, "width": 40}],
    "categories": [{"id": 1, "name": "polyp"}, {"id": 4, "name": "tool"}],
    "annotations": [
      {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]},
      {"id": 2, "image_id": 2, "category_id": 4, "iscrowd": 1,
       "segmentation": {"size": [30, 40], "counts": [300, 60, 840]}},
      {"id": 3, "image_id": 2, "category_id": 1, "bbox": [1, 1, 5, 5], "segmentation": []},
      {"id": 4, "image_id": 3, "category_id": 1, "segmentation": [[5, 5, 15, 5, 15, 15]]}]})");
  const auto manifest = read(options("coco"));
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("polyp", "tool"));
  EXPECT_EQ(manifest.records()[0].subject, "p7");
  EXPECT_EQ(summary_.skipped.size(), 2U);
  EXPECT_THAT(summary_.identity, Contains(HasSubstr("info (COCO)")));
  EXPECT_EQ(read_file(folder_ / "out/manifest.jsonl").find("Doe"), std::string::npos);
}

TEST_F(Readers, LabelmeDrawsItsShapes) {
  image("a.png");
  text("a.json", R"({"version": "5.0", "imagePath": "..\\old\\a.png", "imageData": "AAAA",
    "shapes": [
      {"label": "polyp", "shape_type": "polygon", "points": [[5, 5], [15, 5], [15, 15], [5, 15]]},
      {"label": "tool", "shape_type": "rectangle", "points": [[20, 5], [30, 15]]},
      {"label": "cyst", "shape_type": "circle", "points": [[30, 20], [35, 20]]},
      {"label": "line", "shape_type": "line", "points": [[1, 1], [3, 3]]}]})");
  const auto manifest = read(options("labelme"));
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("polyp", "tool", "cyst"));
  ASSERT_EQ(summary_.skipped.size(), 1U);
  EXPECT_THAT(summary_.skipped[0].reason, HasSubstr("without an area (line)"));
}

TEST_F(Readers, ReasonSegDrawsTargetsAndIgnoredParts) {
  image("train/x.jpg");
  text("train/x.json", R"({"text": ["the thing that rings", "the bell"], "is_sentence": false,
    "shapes": [{"label": "target", "points": [[5, 5], [20, 5], [20, 20], [5, 20]]},
               {"label": "ignore", "points": [[10, 10], [12, 10], [12, 12], [10, 12]]},
               {"label": "flag", "points": [[0, 0]]}]})");
  const auto manifest = read(options("reasonseg"));
  ASSERT_EQ(manifest.records().size(), 2U);
  const auto& record = manifest.records()[0];
  EXPECT_EQ(record.turns[0].question, "<image>\nWhere is the thing that rings in this image?");
  EXPECT_EQ(record.split, "train");
  EXPECT_EQ(first_mask(manifest, record).area(), 16 * 16 - 9);
  EXPECT_EQ(load_ignored(manifest, record, {"m0"}, 40, 30).area(), 9);
}

TEST_F(Readers, RefCocoReadsItsPickle) {
  image("images/a.png");
  text("instances.json", R"({"images": [{"id": 1, "file_name": "a.png"}],
    "categories": [{"id": 2, "name": "vessel"}],
    "annotations": [{"id": 9, "image_id": 1, "category_id": 2,
                     "segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]]}]})");
  for (const char* protocol : {"0", "2", "4"}) {
    SCOPED_TRACE(protocol);
    fs::copy_file(fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/convert" /
                      str_cat("refs-protocol-", protocol, ".p"),
                  folder_ / "src/refs(unc).p", fs::copy_options::overwrite_existing);
    const auto manifest = read(options("refcoco"));
    ASSERT_EQ(manifest.records().size(), 1U);
    EXPECT_EQ(manifest.records()[0].split, "test");
    EXPECT_EQ(manifest.records()[0].phrasing, "testA");
    EXPECT_EQ(manifest.records()[0].turns[0].question, "<image>\nPlease mark this: left vessel");
    EXPECT_EQ(first_mask(manifest, manifest.records()[0]), square(5));
  }
}

TEST_F(Readers, DriveHasMasksAsGif) {
  image("training/images/21_training.tif");
  fs::create_directories(folder_ / "src/training/1st_manual");
  fs::copy_file(fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/convert/square.gif",
                folder_ / "src/training/1st_manual/21_manual1.gif");
  const auto manifest = read(options("drive"));
  ASSERT_EQ(manifest.records().size(), 1U);
  EXPECT_EQ(manifest.records()[0].masks.begin()->second.label, "retinal vessels");
  EXPECT_EQ(first_mask(manifest, manifest.records()[0]), square(5));
  const std::string gif = read_file(folder_ / "src/training/1st_manual/21_manual1.gif");
  for (std::size_t size = 0; size < gif.size() - 3; size += 5) {
    write_file(folder_ / "src/training/1st_manual/21_manual1.gif", gif.substr(0, size));
    EXPECT_THAT([&] { convert(options("drive")); },
                ThrowsError<DataError>(HasSubstr("21_manual1.gif"), "a GIF, at byte"))
        << size;
  }
}

TEST_F(Readers, MuseKeepsItsAnswersOrNamesTheParts) {
  image("a.png");
  text("muse_train.json", R"([{"file_name": "a.png", "height": 30, "width": 40, "ann_list": [],
    "questions": ["Which are round?", "What shines?"],
    "answers": [[{"segmentation": [[5, 5, 15, 5, 15, 15, 5, 15]], "category_name": "ball"},
                 {"segmentation": [[20, 5, 30, 5, 30, 15, 20, 15]], "category_name": "cup"}],
                [{"segmentation": [[5, 5, 15, 5, 15, 15]], "category_name": "ball",
                  "rephrased_name": "red ball"}]],
    "text_answers": ["Both {seg} and {seg}.", null]}])");
  const auto manifest = read(options("muse"));
  ASSERT_EQ(manifest.records().size(), 2U);
  EXPECT_EQ(manifest.records()[0].turns[0].answer, "Both [SEG] and [SEG].");
  EXPECT_EQ(manifest.records()[1].turns[0].answer, "It is the <p> red ball </p> [SEG].");
}

TEST_F(Readers, Sa2vaAndMediSeeAndMrMedseg) {
  image("images/a.png");
  text("annotations.json", R"([{"image": "a.png", "text": ["the round one"],
    "mask": [[[5, 5, 15, 5, 15, 15, 5, 15]]]}])");
  auto manifest = read(options("sa2va"));
  EXPECT_EQ(first_mask(manifest, manifest.records()[0]), square(5));
  fs::remove(folder_ / "src/annotations.json");

  image("images/ct_00--Set--case1--x_0001.png");
  mask("masks/ct_00--Set--case1--x_0001--0001_000.png", 5);
  text("train.json", R"({"images/ct_00--Set--case1--x_0001.png":
    {"masks/ct_00--Set--case1--x_0001--0001_000.png": "left_kidney"}})");
  text("prompts.json", R"({"left_kidney": {"long": ["Which bean filters blood?"], "short": []}})");
  text("test.jsonl", "");
  manifest = read(options("medisee"));
  ASSERT_EQ(manifest.records().size(), 1U);
  EXPECT_EQ(manifest.records()[0].turns[0].question, "<image>\nWhich bean filters blood?");
  EXPECT_EQ(manifest.records()[0].subject, "Set-case1");
  EXPECT_THAT(labels(manifest), ElementsAre("left kidney"));
}

TEST_F(Readers, BusiKnowsTumoursAndNormalImages) {
  for (int i = 1; i < 4; ++i) {
    image(str_cat("Dataset_BUSI_with_GT/benign/benign (", i, ").png"), i);
    mask(str_cat("Dataset_BUSI_with_GT/benign/benign (", i, ")_mask.png"), 5);
    image(str_cat("Dataset_BUSI_with_GT/normal/normal (", i, ").png"), 10 + i);
    write_png(folder_ / "src" / str_cat("Dataset_BUSI_with_GT/normal/normal (", i, ")_mask.png"),
              Mask(40, 30));
  }
  mask("Dataset_BUSI_with_GT/benign/benign (1)_mask_1.png", 25);
  const auto manifest = read(options("busi"));
  EXPECT_THAT(labels(manifest), ElementsAre("benign breast tumour"));
  const auto found = std::find_if(
      manifest.records().begin(), manifest.records().end(),
      [](const Record& record) { return record.id.find("benign_(1)") != std::string::npos; });
  ASSERT_NE(found, manifest.records().end());
  EXPECT_EQ(first_mask(manifest, *found), mask_union(square(5), square(25)));
  EXPECT_GE(summary_.absent_questions, 3);
}

TEST_F(Readers, AmosTellsCtFromMr) {
  write_new_set(folder_ / "new");
  for (const char* number : {"0001", "0501"}) {
    fs::create_directories(folder_ / "src/imagesTr");
    fs::create_directories(folder_ / "src/labelsTr");
    fs::copy_file(folder_ / "new/scan.nii",
                  folder_ / "src/imagesTr" / str_cat("amos_", number, ".nii.gz"));
    fs::copy_file(folder_ / "new/labels.nii",
                  folder_ / "src/labelsTr" / str_cat("amos_", number, ".nii.gz"));
  }
  auto asked = options("amos");
  asked.every = 3;
  convert(asked);  // one scan twice: a leak that the doctor would name, were the splits not one
  const auto manifest = Manifest::read(folder_ / "out/manifest.jsonl");
  std::set<std::string> modalities;
  for (const auto& record : manifest.records()) modalities.insert(record.modality);
  EXPECT_THAT(modalities, UnorderedElementsAre("ct", "mr"));
}

TEST_F(Readers, DecathlonAndItsLicence) {
  write_new_set(folder_ / "new");
  fs::create_directories(folder_ / "src/Task99_Test/imagesTr");
  fs::create_directories(folder_ / "src/Task99_Test/labelsTr");
  fs::copy_file(folder_ / "new/scan.nii", folder_ / "src/Task99_Test/imagesTr/t_001.nii.gz");
  fs::copy_file(folder_ / "new/labels.nii", folder_ / "src/Task99_Test/labelsTr/t_001.nii.gz");
  text("Task99_Test/dataset.json", R"({"name": "T", "licence": "CC-BY-SA 4.0",
    "modality": {"0": "CT"}, "labels": {"0": "background", "1": "liver", "2": "tumour_core"},
    "training": [{"image": "./imagesTr/t_001.nii.gz", "label": "./labelsTr/t_001.nii.gz"}],
    "test": ["./imagesTs/t_002.nii.gz"]})");
  const auto manifest = read(options("decathlon"));
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("liver", "tumour core"));
  EXPECT_EQ(manifest.records()[0].licence, "CC-BY-SA 4.0");
  EXPECT_EQ(manifest.records()[0].modality, "ct");
}

TEST_F(Readers, NnunetIn2dWithRegionsAndIgnoredPixels) {
  for (int i = 0; i < 3; ++i) {
    image(str_cat("Dataset007/imagesTr/c_", i, "_0000.png"), i);
    Image map{40, 30, 1, std::vector<std::uint8_t>(1200)};
    for (std::size_t j = 0; j < 600; ++j) map.pixels[j] = j < 200 ? 1 : j < 400 ? 2 : 3;
    write_png(folder_ / "src" / str_cat("Dataset007/labelsTr/c_", i, ".png"), map);
  }
  text("Dataset007/dataset.json", R"({"channel_names": {"0": "ultrasound"}, "numTraining": 3,
    "labels": {"background": 0, "whole": [1, 2], "core": 2, "ignore": 3}, "file_ending": ".png"})");
  const auto manifest = read(options("nnunet"));
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("whole", "core"));
  const auto& record = manifest.records()[0];
  EXPECT_EQ(record.modality, "us");
  for (const auto& [id, one] : record.masks) {
    if (one.label != "core") continue;
    EXPECT_EQ(load_ignored(manifest, record, {id}, 40, 30).area(), 200);
  }
}

TEST_F(Readers, SubsetsKeepRareStructures) {
  for (int i = 0; i < 40; ++i) {
    image(str_cat("images/", i, ".png"), i);
    mask(str_cat("masks/", i, i == 7 ? "_rare.png" : "_common.png"), 5);
  }
  auto asked = options("pairs");
  asked.images = "images/{case}.png";
  asked.masks = "masks/{case}_{label}.png";
  asked.limit = 8;
  asked.absent = 0;
  const auto manifest = read(asked);
  EXPECT_EQ(summary_.pictures, 8);
  EXPECT_THAT(labels(manifest), UnorderedElementsAre("common", "rare"));
}

TEST_F(Readers, SubjectsNeverStandInTwoSplits) {
  for (int i = 0; i < 30; ++i) {
    image(str_cat("images/s", i / 3, "_", i, ".png"), i);
    mask(str_cat("masks/s", i / 3, "_", i, ".png"), 5);
  }
  auto asked = options("pairs");
  asked.images = "images/{subject}_{case}.png";
  asked.masks = "masks/{subject}_{case}.png";
  asked.labels = parse_labels("", "polyp");
  const auto manifest = read(asked);
  EXPECT_EQ(summary_.subjects, 10);
  EXPECT_EQ(manifest.split("test").size(), 6U);
  EXPECT_EQ(manifest.split("val").size(), 3U);
}

TEST_F(Readers, EqualPixelsInTwoSplitsOfASourceStayInTheScoredOne) {
  image("train/images/a.png", 1);
  image("train/images/b.png", 2);
  image("test/images/c.png", 1);
  for (const char* name : {"train/masks/a.png", "train/masks/b.png", "test/masks/c.png"})
    mask(name, 5);
  auto asked = options("pairs");
  asked.images = "{split}/images/{case}.png";
  asked.masks = "{split}/masks/{case}.png";
  const auto manifest = read(asked);
  EXPECT_EQ(manifest.records().size(), 2U);
  EXPECT_THAT(summary_.skipped[0].reason, HasSubstr("the same pixels"));
}

TEST_F(Readers, NamesOfPatientsAreSaidToBeThere) {
  image("images/Doe^Jane.png");
  mask("masks/Doe^Jane.png", 5);
  auto asked = options("pairs");
  asked.images = "images/{case}.png";
  asked.masks = "masks/{case}.png";
  convert(asked);
  summary_ = convert(asked);
  EXPECT_THAT(summary_.identity, Contains(HasSubstr("1 looks like a person's name")));
  for (const auto& line : summary_.identity) EXPECT_EQ(line.find("Doe"), std::string::npos);
  asked.pseudonyms = asked.copy = true;
  read(asked);
  EXPECT_EQ(read_file(folder_ / "out/manifest.jsonl").find("Doe"), std::string::npos);
}

TEST_F(Readers, OptionsThatDoNotApplyAreErrors) {
  image("a.png");
  auto asked = options("llava");
  asked.absent = 0.5;
  EXPECT_THAT([&] { convert(asked); },
              ThrowsError<ConfigError>("--absent", "does not apply to llava"));
  asked = options("coco");
  asked.axis = 1;
  EXPECT_THAT([&] { convert(asked); }, ThrowsError<ConfigError>("--axis", "no volumes"));
  asked = options("cocoo");
  EXPECT_THAT([&] { convert(asked); },
              ThrowsError<ConfigError>("--from", "did you mean \"coco\"?"));
  asked = options("pairs");
  asked.out = folder_;
  EXPECT_THAT([&] { convert(asked); }, ThrowsError<ConfigError>("--out", "holds the source"));
}

}  // namespace
}  // namespace medseg
