#include "medseg/curation/templates.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drawn.h"
#include "medseg/base/file.h"
#include "medseg/curation/annotate.h"
#include "medseg/dataset/doctor.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Templates, AskForEveryMaskInDialoguesThatBreakNoRule) {
  const Picture picture = drawn_picture();
  std::set<std::string> asked;
  std::set<TurnKind> kinds;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    RuleCounts rejected;
    const auto drafts =
        template_dialogues(picture, real_vocabulary(), {.seed = seed}, "drawn", rejected);
    EXPECT_EQ(rejected.total(), 0) << rejected.text();
    std::set<std::string> of_this;
    for (const auto& draft : drafts) {
      EXPECT_GE(draft.size(), 2U);
      EXPECT_LE(draft.size(), 5U);
      EXPECT_NE(draft[0].kind, TurnKind::kFollowUp);
      EXPECT_THAT(violations_of(draft, {real_vocabulary(), picture.facts, picture.absent, {}}),
                  IsEmpty());
      for (const auto& turn : draft) {
        kinds.insert(turn.kind);
        of_this.insert(turn.targets.begin(), turn.targets.end());
      }
    }
    EXPECT_EQ(of_this.size(), 4U);
  }
  EXPECT_EQ(kinds.size(), Choice<TurnKind>::names.size());
}

TEST(Templates, AreTheSameForOneSeedAndOthersForAnother) {
  const auto words = [](std::uint64_t seed) {
    RuleCounts rejected;
    std::string all;
    for (const auto& draft :
         template_dialogues(drawn_picture(), real_vocabulary(), {.seed = seed}, "p", rejected)) {
      for (const auto& turn : draft) all += turn.question + "\n" + turn.answer + "\n";
    }
    return all;
  };
  EXPECT_EQ(words(3), words(3));
  EXPECT_NE(words(3), words(4));
}

TEST(Templates, LeaveOutAMaskOnTheWrongSide) {
  Picture picture = drawn_picture();
  picture.facts.masks[0].side_of_patient = Side::kLeft;  // the right thalamus
  RuleCounts rejected;
  const auto drafts = template_dialogues(picture, real_vocabulary(), {}, "p", rejected);
  EXPECT_EQ(rejected.json()["side"]["count"], 1);
  for (const auto& draft : drafts) {
    for (const auto& turn : draft) EXPECT_EQ(turn.answer.find("right thalamus"), std::string::npos);
  }
}

class AnnotateSet : public TempFolderTest {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_ / "in");
    write_png(folder_ / "in/a.png", body());
    std::string lines;
    for (int i = 0; i < 3; ++i) {
      Picture picture = drawn_picture();
      Image image = body();
      image.pixels[0] = static_cast<std::uint8_t>(i + 1);  // no two are equal
      picture.record.id = "p" + std::to_string(i);
      picture.record.image = "p" + std::to_string(i) + ".png";
      picture.record.absent = {"lungs", "pancreas"};
      write_png(folder_ / "in" / picture.record.image, image);
      picture.record.turns = {{"<image>\nWhich?", "The <p> skull </p> [SEG].", {{"m2"}}, true}};
      lines += to_json_line(picture.record) + "\n";
    }
    write_file(folder_ / "in/manifest.jsonl", lines);
    options_ = {.manifest = folder_ / "in/manifest.jsonl",
                .out = folder_ / "out",
                .prompts = std::string(MEDSEG_SOURCE_DIR) + "/configs/annotate"};
  }
  AnnotateOptions options_;
};

TEST_F(AnnotateSet, WritesWhatTheDoctorPassesAndTheSameBytesAgain) {
  const AnnotatedSet set = annotate_by_templates(options_, {.seed = 1});
  EXPECT_EQ(set.pairs(), 12);
  const auto found = examine({folder_ / "out/manifest.jsonl"});
  EXPECT_TRUE(found.faults.empty()) << found.faults[0].what;
  for (const auto& warning : found.warnings)  // the drawn body has three grey values
    EXPECT_EQ(warning.kind, FaultKind::kFlatImage) << warning.what;
  const std::string first = read_file(folder_ / "out/manifest.jsonl");
  const std::string report = read_file(folder_ / "out/report.json");
  annotate_by_templates(options_, {.seed = 1});
  EXPECT_EQ(read_file(folder_ / "out/manifest.jsonl"), first);
  EXPECT_EQ(read_file(folder_ / "out/report.json"), report);
  annotate_by_templates(options_, {.seed = 2});
  EXPECT_NE(read_file(folder_ / "out/manifest.jsonl"), first);
}

TEST_F(AnnotateSet, RecordsKeepWhatTheirPictureSays) {
  annotate_by_templates(options_, {});
  const Manifest made = Manifest::read(folder_ / "out/manifest.jsonl");
  for (const auto& record : made.records()) {
    EXPECT_EQ(record.image.parent_path(), "../in");
    EXPECT_EQ(record.modality, "mr");
    EXPECT_EQ(record.split, "train");
    EXPECT_TRUE(record.turns.at(0).question.starts_with("<image>\n"));
    EXPECT_GE(record.turns.size(), 2U);
  }
}

TEST_F(AnnotateSet, TouchesNoFolderThatHoldsOtherThings) {
  write_file(folder_ / "out/thesis.tex", "years of work");
  EXPECT_THAT([&] { annotate_by_templates(options_, {}); },
              ThrowsError<Error>(::testing::_, ::testing::_));
  EXPECT_EQ(read_file(folder_ / "out/thesis.tex"), "years of work");
}

TEST_F(AnnotateSet, SaysWhereAMaskCannotBeRead) {
  Picture picture = drawn_picture();
  picture.record.image = "p0.png";
  picture.record.masks["m9"].label = "cerebellum";
  picture.record.masks["m9"].file = "none.png";
  write_file(folder_ / "in/manifest.jsonl", to_json_line(picture.record) + "\n");
  EXPECT_THAT([&] { annotate_by_templates(options_, {}); },
              ThrowsError<DataError>(HasSubstr("manifest.jsonl:1"), ::testing::_));
}

TEST_F(AnnotateSet, NamesTheFoldersWithoutAVocabulary) {
  options_.prompts = folder_ / "nowhere";
  EXPECT_THAT([&] { annotate_by_templates(options_, {}); },
              ThrowsError<ConfigError>("--prompts", "nowhere"));
}

}  // namespace
}  // namespace medseg
