// Questions about whole volumes, answered by a rule instead of a model.
#include "medseg/generation/volume_answer.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/generation/answer_files.h"
#include "medseg/generation/picture_inputs.h"
#include "medseg/image/codec.h"
#include "medseg/volume/morphology.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

/// Bright pixels are the structure; the darkest slices name none.
SliceAnswers by_brightness(const Image& image) {
  Mask bright(image.width, image.height);
  for (std::size_t i = 0; i < bright.pixels.size(); ++i)
    bright.pixels[i] = image.pixels[i] > 127 ? 1 : 0;
  SliceTurn turn;
  turn.finish = "eos";
  turn.text = "nothing";
  if (bright.area() > 0) {
    // Spelt differently from slice to slice.
    const std::string phrase = bright.area() % 2 == 0 ? "The Core" : "the  core";
    turn.text = "It is <p> " + phrase + " </p> [SEG].";
    turn.phrases = {phrase};
    turn.masks.push_back({phrase, encode_rle(bright), 0.5, 0.75, 0.375});
  }
  return {turn};
}

class VolumeAnswers : public TempFolderTest {
 protected:
  /// Stored from left and from the head down, 1 x 2 x 3 mm: a MetaImage of 6 x 5 x 4 voxels.
  VolumeAnswers() {
    std::string bytes =
        "ObjectType = Image\nNDims = 3\nDimSize = 6 5 4\nElementType = MET_UCHAR\n"
        "TransformMatrix = 1 0 0 0 1 0 0 0 -1\nElementSpacing = 1 2 3\nOffset = 7 8 9\n"
        "ElementDataFile = LOCAL\n";
    for (int k = 0; k < 4; ++k) {
      for (int j = 0; j < 5; ++j) {
        for (int i = 0; i < 6; ++i)
          bytes += static_cast<char>(k > 0 && i > 1 && i < 2 + k && j > 2 ? 250 : 10 + i + 6 * j);
      }
    }
    write_file(folder_ / "scan.mha", bytes);
  }

  VolumeQuestions questions() const {
    VolumeQuestions questions;
    questions.file = folder_ / "scan.mha";
    questions.window = "all(0, 255)";
    questions.questions = {"What is in the middle?"};
    questions.out = folder_ / "out";
    return questions;
  }
  json answer() const { return json::parse(read_file(folder_ / "out/answer.json")); }
};

TEST_F(VolumeAnswers, TheMaskLiesOnTheScansVoxels) {
  for (int axis = 0; axis < 3; ++axis) {
    auto asked = questions();
    asked.axis = axis;
    VolumeAnswer(asked).run(by_brightness, "model", "asker");
    const Volume scan = read_volume(asked.file);
    const Volume mask = read_volume(folder_ / "out/mask-0-0.nii.gz");
    EXPECT_TRUE(same_grid(scan, mask)) << axis;
    for (std::size_t i = 0; i < scan.voxels.size(); ++i)
      ASSERT_EQ(mask.voxels[i] != 0, scan.voxels[i] > 200) << axis << " " << i;
    const auto json = answer();
    const auto& one = json["turns"][0]["masks"][0];
    EXPECT_EQ(json["turns"][0]["masks"].size(), 1U);  // one phrase in two spellings
    EXPECT_EQ(one["voxels"], 12);
    EXPECT_DOUBLE_EQ(one["volume_ml"].get<double>(), 12 * 6 / 1000.0);
    EXPECT_EQ(one["extent_mm"], (std::vector<double>{3, 4, 9}));
    EXPECT_EQ(json["window"], "all(0, 255)");
    EXPECT_EQ(json["axis"], axis);
    EXPECT_TRUE(fs::exists(folder_ / "out/overlay.png"));
  }
}

TEST_F(VolumeAnswers, WhatIsAnsweredIsNotAskedAgain) {
  auto asked = questions();
  int calls = 0;
  const auto failing = [&](const Image& image) {
    if (++calls == 3) throw DataError("power cut");
    return by_brightness(image);
  };
  EXPECT_THROW(VolumeAnswer(asked).run(failing, "model", "asker"), DataError);
  append_bytes(folder_ / "out/slices.jsonl", "{\"slice\": 3, \"tur");  // half a line
  calls = 10;
  VolumeAnswer(asked).run(failing, "model", "asker");
  EXPECT_EQ(calls, 12);  // two of four were left
  const auto whole = answer();
  EXPECT_EQ(whole["turns"][0]["masks"][0]["voxels"], 12);
  VolumeAnswer(asked).run(failing, "model", "asker");
  EXPECT_EQ(calls, 12);
  EXPECT_EQ(answer(), whole);
  // Another model or another question is asked from the beginning.
  VolumeAnswer(asked).run(failing, "model", "another");
  EXPECT_EQ(calls, 16);
  asked.questions = {"And now?"};
  VolumeAnswer(asked).run(failing, "model", "another");
  EXPECT_EQ(calls, 20);
}

TEST_F(VolumeAnswers, SlicesAreChosenByRangeOrByWhatTheyShow) {
  auto asked = questions();
  asked.slices = "1:3";
  EXPECT_THAT(VolumeAnswer(asked).slices(), ElementsAre(1, 2));
  for (const char* bad : {"3:1", "1", "a:b", "1:", "-1:2", "0:5", "1:2:3"}) {
    asked.slices = bad;
    EXPECT_THROW(VolumeAnswer{asked}, ConfigError) << bad;
  }
  asked.slices = "1:2";
  asked.consistent = true;
  EXPECT_THROW(VolumeAnswer{asked}, ConfigError);
  asked = questions();
  asked.slices = "auto";
  const VolumeAnswer all(asked);
  EXPECT_EQ(all.slices().size(), 4U);
  EXPECT_THAT(all.notes(), ElementsAre(HasSubstr("slices 0 to 3 of 0 to 3 show something")));
  asked.window = "dark(1000, 2000)";
  EXPECT_THROW(VolumeAnswer{asked}, DataError);
}

TEST_F(VolumeAnswers, AStrangersFolderIsLeftAlone) {
  write_file(folder_ / "out/notes.txt", "mine");
  EXPECT_THROW(VolumeAnswer{questions()}, DataError);
  EXPECT_EQ(read_file(folder_ / "out/notes.txt"), "mine");
}

TEST_F(VolumeAnswers, ConsistentDropsWhatStandsAlone) {
  auto asked = questions();
  asked.consistent = true;
  int calls = 0;
  const auto one_slice = [&](const Image& image) {
    return ++calls == 2 ? by_brightness(image) : SliceAnswers{SliceTurn{}};
  };
  VolumeAnswer(asked).run(one_slice, "model", "asker");
  EXPECT_EQ(answer()["turns"][0]["masks"][0]["voxels"], 0);
  EXPECT_EQ(answer()["turns"][0]["masks"][0]["slices"].size(), 0U);
}

TEST_F(VolumeAnswers, ADicomSeriesGetsASegmentation) {
  const fs::path series = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/dicom/series";
  auto asked = questions();
  asked.file = series;
  asked.window = "hu(-1024, 976)";
  VolumeAnswer(asked).run(by_brightness, "models/some", "asker");
  const auto json = answer();
  EXPECT_EQ(json["turns"][0]["masks"][0]["segment"], 1);
  const Volume labels = to_canonical(read_volume(folder_ / "out/seg.dcm"));
  const Volume mask = to_canonical(read_volume(folder_ / "out/mask-0-0.nii.gz"));
  EXPECT_EQ(labels.voxels, mask.voxels);
  EXPECT_TRUE(same_grid(labels, mask));
  for (const char* secret : {"Doe", "SECRET"}) {
    for (const char* file : {"answer.json", "slices.jsonl"}) {
      EXPECT_EQ(read_file(folder_ / "out" / file).find(secret), std::string::npos) << file;
    }
  }
}

TEST_F(VolumeAnswers, InputsAreFilesVolumesSeriesAndFolders) {
  const fs::path golden = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden";
  write_png(folder_ / "in/a.png", Image{2, 2, 1, {0, 1, 2, 3}});
  fs::copy(folder_ / "scan.mha", folder_ / "in/a.mha");
  write_file(folder_ / "in/readme.txt", "no image");
  fs::copy(golden / "dicom/rle.dcm", folder_ / "one.dcm");
  auto inputs = picture_inputs({folder_ / "in"});
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_EQ(inputs[0].name, "a.mha");
  EXPECT_TRUE(inputs[0].is_volume);
  EXPECT_EQ(inputs[1].name, "a.png");
  EXPECT_FALSE(inputs[1].is_volume);
  inputs = picture_inputs({folder_ / "one.dcm"});
  ASSERT_EQ(inputs.size(), 1U);
  EXPECT_FALSE(inputs[0].is_volume);
  EXPECT_EQ(inputs[0].name, "");
  inputs = picture_inputs({golden / "dicom/series", golden / "dicom/enhanced.dcm"});
  ASSERT_EQ(inputs.size(), 2U);
  EXPECT_TRUE(inputs[0].is_volume && inputs[1].is_volume);
  EXPECT_EQ(inputs[0].name, "series");
  inputs = picture_inputs({golden / "dicom/series"});
  EXPECT_EQ(inputs[0].name, "");
  EXPECT_THROW(picture_inputs({folder_ / "nowhere.png"}), DataError);
  fs::create_directory(folder_ / "empty");
  EXPECT_THROW(picture_inputs({folder_ / "empty"}), DataError);
}

}  // namespace
}  // namespace medseg
