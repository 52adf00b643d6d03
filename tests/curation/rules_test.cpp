#include "medseg/curation/rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "drawn.h"

namespace medseg {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Rules : public testing::Test {
 protected:
  Draft draft_ = {{TurnKind::kFunction,
                   "Which structure relays sensation? The one on the patient's left is meant.",
                   "That is the <p> left thalamus </p> [SEG], in the right part of the picture.",
                   {"m1"},
                   {}}};
  Picture picture_ = drawn_picture();
  std::vector<std::string> earlier_;

  std::vector<Rule> broken() const {
    const RuleFacts known{real_vocabulary(), picture_.facts, picture_.absent, earlier_};
    std::vector<Rule> rules;
    for (const auto& violation : violations_of(draft_, known)) rules.push_back(violation.rule);
    return rules;
  }
  std::vector<Rule> broken_by_answer(const std::string& answer) {
    draft_[0].answer = answer;
    return broken();
  }
  std::vector<Rule> broken_by_question(const std::string& question) {
    draft_[0].question = question;
    return broken();
  }
};

TEST_F(Rules, LetAGoodDialoguePass) { EXPECT_THAT(broken(), IsEmpty()); }

TEST_F(Rules, TheNameMayNotStandInItsQuestion) {
  EXPECT_THAT(broken_by_question("Which thalamic nucleus relays sensation?"),
              ElementsAre(Rule::kNameLeak));
  // After it was named it may.
  draft_[0].question = "Which structure relays sensation to the cortex?";
  draft_.push_back({TurnKind::kFollowUp,
                    "Does the left thalamus reach the edge of the picture?",
                    "The <p> left thalamus </p> [SEG] keeps clear of every edge.",
                    {"m1"},
                    {}});
  EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(Rules, MarkupAndMasksFit) {
  EXPECT_THAT(broken_by_answer("That is the left thalamus, as the picture shows."),
              ElementsAre(Rule::kSegCount));
  EXPECT_THAT(broken_by_answer("That is the left thalamus [SEG] in the picture."),
              ElementsAre(Rule::kSegCount));
  EXPECT_THAT(broken_by_answer("That is the <p> left thalamus [SEG] in the picture."),
              ElementsAre(Rule::kSegCount));
  EXPECT_THAT(broken_by_answer("It is the <p> left thalamus </p> [SEG] [SEG] in the picture."),
              ElementsAre(Rule::kSegCount));
  EXPECT_THAT(broken_by_answer("The <p> a <p> left thalamus </p> </p> [SEG] of the picture."),
              ElementsAre(Rule::kSegCount));
  EXPECT_THAT(broken_by_question("Which structure [SEG] relays sensation?"),
              ElementsAre(Rule::kSegCount));
}

TEST_F(Rules, ThePhraseNamesItsMask) {
  EXPECT_THAT(broken_by_answer("That is the <p> caudate </p> [SEG] of this picture."),
              ElementsAre(Rule::kPhrase));
  EXPECT_THAT(broken_by_answer("That is the <p> right thalamus </p> [SEG] of this picture."),
              ElementsAre(Rule::kPhrase));
  EXPECT_THAT(broken_by_answer("That is the <p> thalamus </p> [SEG] of this picture."), IsEmpty());
}

TEST_F(Rules, SidesOfThePictureAndOfThePatientAreNotMixed) {
  const std::string named = "That is the <p> left thalamus </p> [SEG], ";
  EXPECT_THAT(broken_by_answer(named + "on the patient's left."), IsEmpty());
  EXPECT_THAT(broken_by_answer(named + "on the patient's right."), ElementsAre(Rule::kSide));
  EXPECT_THAT(broken_by_answer(named + "in the left part of the picture."),
              ElementsAre(Rule::kSide));
  EXPECT_THAT(broken_by_answer(named + "in the right half of the image."), IsEmpty());
  EXPECT_THAT(broken_by_answer(named + "right behind the front of the picture."), IsEmpty());
  // The side in another structure's name is that structure's.
  EXPECT_THAT(broken_by_answer(named + "across from the right thalamus."), IsEmpty());
}

TEST_F(Rules, AnswersThatSpeakOfTwoMasksKeepTheirSidesApart) {
  draft_[0].question = "Which pair of structures relays sensation?";
  draft_[0].targets = {"m1", "m0"};
  EXPECT_THAT(broken_by_answer("The first is the <p> left thalamus </p> [SEG], on the patient's "
                               "left; the second is the <p> right thalamus </p> [SEG], on the "
                               "patient's right."),
              IsEmpty());
  EXPECT_THAT(broken_by_answer("The first is the <p> left thalamus </p> [SEG], on the patient's "
                               "right; the second is the <p> right thalamus </p> [SEG], on the "
                               "patient's left."),
              ElementsAre(Rule::kSide, Rule::kSide));
}

TEST_F(Rules, EveryNumberIsAFact) {
  const std::string named = "The <p> left thalamus </p> [SEG] covers ";
  EXPECT_THAT(broken_by_answer(named + "300 mm² of the slice."), IsEmpty());
  EXPECT_THAT(broken_by_answer(named + "3.7 percent of the picture."), IsEmpty());
  EXPECT_THAT(broken_by_answer(named + "412 mm² of the slice."), ElementsAre(Rule::kNumber));
  EXPECT_THAT(broken_by_answer(named + "twelve millimetres of the slice."),
              ElementsAre(Rule::kNumber));
  EXPECT_THAT(broken_by_answer(named + "what is bright on this T1 picture."), IsEmpty());
  EXPECT_THAT(broken_by_answer(named + "99999999999999999999 mm² of it."),
              ElementsAre(Rule::kNumber));
}

TEST_F(Rules, OnlyWhatIsAbsentIsDenied) {
  draft_.push_back({TurnKind::kAbsent,
                    "Which organs exchange oxygen for carbon dioxide?",
                    "Those would be the lungs; they are not seen in this slice.",
                    {},
                    {"lungs"}});
  EXPECT_THAT(broken(), IsEmpty());
  draft_[1].answer = "Those would be the lungs, as every physician knows.";
  EXPECT_THAT(broken(), ElementsAre(Rule::kAbsent));
  draft_[1].answer = "They are not seen in this slice.";  // who?
  EXPECT_THAT(broken(), ElementsAre(Rule::kAbsent));
  draft_[1] = {TurnKind::kAbsent,
               "What guards against blows here?",
               "The skull is not seen in this slice.",
               {},
               {"skull"}};
  EXPECT_THAT(broken(), ElementsAre(Rule::kAbsent, Rule::kAbsent));  // it is there, nobody said no
  draft_[1] = {TurnKind::kAbsent,
               "What filters the blood and makes urine?",
               "The kidneys are not seen in this slice.",
               {},
               {"kidneys"}};
  EXPECT_THAT(broken(), ElementsAre(Rule::kAbsent));  // nobody looked for them
  draft_[1] = {TurnKind::kFollowUp,
               "Is there more to be said of it?",
               "There is nothing more to be said.",
               {},
               {}};
  EXPECT_THAT(broken(), ElementsAre(Rule::kAbsent));
}

TEST_F(Rules, QuestionsAreNotAskedTwice) {
  earlier_ = {"Which structure relays all sensation? The one on the patient's left is meant."};
  EXPECT_THAT(broken(), ElementsAre(Rule::kDuplicate));
  earlier_ = {"Which structure relays sensation? The one on the patient's right is meant."};
  EXPECT_THAT(broken(), IsEmpty());
}

TEST_F(Rules, WordsAreThoseOfAPhysicianInEnglish) {
  EXPECT_THAT(
      broken_by_question("Welche Struktur leitet fast alle Empfindungen zur Rinde weiter bitte?"),
      ElementsAre(Rule::kLanguage));
  EXPECT_THAT(broken_by_question("哪个结构 relays the sensation of the body?"),
              ElementsAre(Rule::kLanguage));
  EXPECT_THAT(broken_by_question("Which?"), ElementsAre(Rule::kLength));
  std::string endless = "Which structure";
  for (int i = 0; i < 70; ++i) endless += " of the body";
  EXPECT_THAT(broken_by_question(endless + "?"), ElementsAre(Rule::kLength, Rule::kReading));
  draft_[0].question = "Which structure relays sensation to the cortex?";
  EXPECT_THAT(broken_by_answer("As an AI I see the <p> left thalamus </p> [SEG] of the patient."),
              ElementsAre(Rule::kVoice));
}

TEST(SideConflict, ComparesALabelWithItsMask) {
  MaskFacts mask;
  mask.label = "left thalamus";
  mask.side_of_patient = Side::kRight;
  EXPECT_THAT(side_conflict(mask), HasSubstr("says left, the mask lies right"));
  mask.side_of_patient = Side::kLeft;
  EXPECT_EQ(side_conflict(mask), "");
  mask.side_of_patient = Side::kMiddle;  // folds of one half reach over the midline
  EXPECT_EQ(side_conflict(mask), "");
  mask.side_of_patient = Side::kNone;
  EXPECT_EQ(side_conflict(mask), "");
}

TEST(RuleCounts, CountEachRuleOnceADialogueAndShowExamples) {
  RuleCounts counts;
  const Draft draft = {{TurnKind::kFunction, "Which?", "No.", {}, {}}};
  for (int i = 0; i < 5; ++i) {
    counts.add("p", draft,
               {{Rule::kLength, 0, "short"}, {Rule::kLength, 0, "short"}, {Rule::kAbsent, 0, "x"}});
  }
  EXPECT_EQ(counts.total(), 5);
  EXPECT_EQ(counts.json()["length"]["count"], 5);
  EXPECT_EQ(counts.json()["length"]["examples"].size(), 3U);
  EXPECT_THAT(counts.text(), HasSubstr("rejected by rule absent: 5\n  p, turn 0: x in \"Which?\""));
}

}  // namespace
}  // namespace medseg
