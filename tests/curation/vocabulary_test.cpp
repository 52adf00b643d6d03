#include "medseg/curation/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drawn.h"
#include "medseg/base/file.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

TEST(LabelName, FindsTheSideHoweverItIsWritten) {
  for (const char* label : {"Hippocampus_L", "left hippocampus", "hippocampus (left)",
                            "LH.hippocampus", "Left-Hippocampus", "hippocampus left"}) {
    EXPECT_EQ(label_name(label).side, Side::kLeft) << label;
    EXPECT_EQ(label_name(label).base, "hippocampus") << label;
  }
  EXPECT_EQ(label_name("thalamus").side, Side::kNone);
  EXPECT_EQ(label_name("R").side, Side::kNone);  // nothing would be left
  EXPECT_EQ(label_name("L4 vertebra").side, Side::kNone);
}

TEST(Giveaways, FindStemsCompoundsAndAbbreviations) {
  const auto& words = real_vocabulary();
  for (const char* text : {"Where is the hippocampus?", "Which HIPPOCAMPAL formation is small?",
                           "hippo-campus, please",
                           "the hippo\xe2\x80\x8b"
                           "campi",
                           "the hippo campus", "Ammon's horn"})
    EXPECT_THAT(giveaways(words, "left hippocampus", text), Not(IsEmpty())) << text;
  EXPECT_THAT(giveaways(words, "left hippocampus", "Which structure keeps memories on the left?"),
              IsEmpty());
  EXPECT_THAT(giveaways(words, "white matter", "What does it matter?"), IsEmpty());
  EXPECT_THAT(giveaways(words, "white matter", "Mark the white matter."), Not(IsEmpty()));
  EXPECT_THAT(giveaways(words, "grey matter", "The GM, please"), Not(IsEmpty()));
  EXPECT_THAT(giveaways(words, "grey matter", "5 gm of it"), IsEmpty());
}

TEST(Giveaways, KnowNamesWithoutAnEntryToo) {
  EXPECT_THAT(giveaways(real_vocabulary(), "uterus", "Which uterine wall?"), Not(IsEmpty()));
  EXPECT_THAT(giveaways(real_vocabulary(), "adrenal gland", "Which adrenals?"), Not(IsEmpty()));
  EXPECT_THAT(giveaways(real_vocabulary(), "uterus", "Which organ carries a child?"), IsEmpty());
}

class VocabularyFile : public TempFolderTest {
 protected:
  auto reading(const std::string& text) {
    write_file(folder_ / "v.json", text);
    return [this] { read_vocabulary(folder_ / "v.json"); };
  }
  std::string at(const std::string& key) { return (folder_ / "v.json").string() + ": " + key; }
};

TEST_F(VocabularyFile, RefusesWhatWouldSpoilASet) {
  EXPECT_THAT(reading(R"({"structures": [{"name": "liver", "region": "abdomen", "stems": ["liver"],
                          "function": ["does what livers do"]}]})"),
              ThrowsError<ConfigError>(::testing::_, "gives the name away"));
  EXPECT_THAT(
      reading(R"({"structures": [{"name": "a", "region": "r"}, {"name": "A", "region": "r"}]})"),
      ThrowsError<ConfigError>(::testing::_, "stands twice"));
  EXPECT_THAT(reading(R"({"structures": [{"region": "abdomen"}]})"),
              ThrowsError<ConfigError>(::testing::_, "without a name"));
  EXPECT_THAT(reading(R"({"structures": [{"name": "a", "region": "r", "funktion": []}]})"),
              ThrowsError<ConfigError>(::testing::_, "unknown key"));
  EXPECT_THAT(reading("{"), ThrowsError<ConfigError>(::testing::_, ::testing::_));
}

TEST(Vocabulary, HoldsClueKindsForEveryStructure) {
  EXPECT_GE(real_vocabulary().structures.size(), 50U);
  for (const auto& structure : real_vocabulary().structures) {
    EXPECT_FALSE(structure.function.empty()) << structure.name;
    EXPECT_FALSE(structure.location.empty()) << structure.name;
    EXPECT_FALSE(structure.appearance.empty()) << structure.name;
    EXPECT_FALSE(structure.consequence.empty()) << structure.name;
    EXPECT_FALSE(structure.differential.empty()) << structure.name;
  }
}

}  // namespace
}  // namespace medseg
