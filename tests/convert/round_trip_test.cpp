// A set of every form of mask, written in each format that can be written and read again.
#include <set>

#include <gmock/gmock.h>

#include "medseg/base/file.h"
#include "medseg/convert/convert.h"
#include "medseg/convert/new_set.h"
#include "medseg/dataset/doctor.h"
#include "medseg/dataset/turns.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::IsEmpty;

std::string faults_of(const fs::path& manifest) {
  std::string text;
  for (const auto& fault : examine({manifest}).faults) text += fault.what + "\n";
  return text;
}

/// Run lengths of every mask that a manifest asks for.
std::multiset<std::string> asked_masks(const fs::path& path) {
  std::multiset<std::string> found;
  const auto manifest = Manifest::read(path);
  for (const auto& record : manifest.records()) {
    const Image image = load_image(manifest, record);
    for (const auto& turn : record.turns) {
      for (const auto& ids : turn.masks)
        found.insert(
            encode_rle(load_mask(manifest, record, ids, image.width, image.height)).counts);
    }
  }
  return found;
}

std::multiset<std::string> single_masks(const fs::path& path) {
  std::multiset<std::string> found;
  const auto manifest = Manifest::read(path);
  for (const auto& record : manifest.records()) {
    const Image image = load_image(manifest, record);
    for (const auto& [id, mask] : record.masks)
      found.insert(encode_rle(load_mask(manifest, record, {id}, image.width, image.height)).counts);
  }
  return found;
}

class RoundTrip : public TempFolderTest {
 protected:
  void SetUp() override { write_new_set(folder_ / "set"); }
  fs::path manifest() const { return folder_ / "set/manifest.jsonl"; }

  ConvertOptions options(const std::string& format) const {
    ConvertOptions asked;
    asked.format = format;
    asked.sources = {folder_ / format};
    asked.out = folder_ / (format + "-back");
    return asked;
  }

  /// Out and in again; the manifest that comes back has no fault.
  fs::path there_and_back(ConvertOptions asked) {
    export_manifest(manifest(), asked.format, asked.sources.front());
    convert(asked);
    const auto back = asked.out / "manifest.jsonl";
    EXPECT_EQ(faults_of(back), "") << asked.format;
    return back;
  }
};

TEST_F(RoundTrip, TheNewSetIsSound) {
  const auto found = examine({manifest()});
  EXPECT_EQ(faults_of(manifest()), "");
  for (const auto& warning : found.warnings) ADD_FAILURE() << warning.what;
  const auto read = Manifest::read(manifest());
  EXPECT_EQ(read.records().size(), 10U);
  EXPECT_THAT(read.split("val"), ::testing::SizeIs(1));
}

TEST_F(RoundTrip, MasksByStructureSurviveBitForBit) {
  for (const char* format : {"coco", "labelme", "biomedparse", "sa-med2d", "nnunet"}) {
    auto asked = options(format);
    asked.absent = 0;
    asked.min_area = 1;
    EXPECT_EQ(asked_masks(there_and_back(asked)), single_masks(manifest())) << format;
  }
}

TEST_F(RoundTrip, FoldersOfPairs) {
  auto asked = options("pairs");
  asked.images = "{split}/images/{case}.png";
  asked.masks = "{split}/masks/{case}--{label}.png";
  asked.absent = 0;
  asked.min_area = 1;
  const auto back = there_and_back(asked);
  EXPECT_EQ(asked_masks(back), single_masks(manifest()));
  const auto read = Manifest::read(back);
  EXPECT_EQ(read.split("val").size(), 1U);
  EXPECT_EQ(read.split("test").size(), 1U);
}

TEST_F(RoundTrip, MasksOfDialoguesSurviveBitForBit) {
  const auto original = asked_masks(manifest());
  for (const char* format : {"grandf", "medplib", "mr-medseg"}) {
    const auto back = asked_masks(there_and_back(options(format)));
    EXPECT_THAT(back, ::testing::SizeIs(::testing::Ge(9))) << format;
    EXPECT_TRUE(std::includes(original.begin(), original.end(), back.begin(), back.end()))
        << format;
  }
  EXPECT_EQ(asked_masks(there_and_back(options("medisee"))), single_masks(manifest()));
}

TEST_F(RoundTrip, CaptionsOfGranDfAreTheAnswers) {
  const auto back = Manifest::read(there_and_back(options("grandf")));
  std::set<std::string> answers;
  for (const auto& record : back.records()) answers.insert(record.turns.front().answer);
  EXPECT_TRUE(
      answers.contains("The <p> bright organ </p> [SEG] and the <p> dark organ </p> [SEG]."));
}

TEST_F(RoundTrip, LlavaKeepsTheWordsAlone) {
  auto asked = options("llava");
  const auto back = Manifest::read(there_and_back(asked));
  EXPECT_EQ(back.records().front().turns.front().answer, "That is the bright organ .");
  EXPECT_TRUE(back.records().front().masks.empty());
}

TEST_F(RoundTrip, TheSameSeedGivesTheSameBytesAndAnotherDoesNot) {
  auto asked = options("coco");
  there_and_back(asked);
  const auto first = read_file(asked.out / "manifest.jsonl");
  convert(asked);
  EXPECT_EQ(read_file(asked.out / "manifest.jsonl"), first);
  asked.seed = 1;
  convert(asked);
  EXPECT_NE(read_file(asked.out / "manifest.jsonl"), first);
}

TEST_F(RoundTrip, CopiesStandAlone) {
  auto asked = options("coco");
  asked.copy = true;
  asked.pseudonyms = true;
  const auto back = there_and_back(asked);
  fs::remove_all(folder_ / "coco");
  EXPECT_EQ(faults_of(back), "");
  EXPECT_EQ(read_file(back).find("person-"), std::string::npos);
  EXPECT_EQ(read_file(back).find("case-"), std::string::npos);
}

}  // namespace
}  // namespace medseg
