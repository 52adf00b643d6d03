#include "medseg/demo/phrases.h"

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "medseg/text/conversation.h"

namespace medseg {
namespace {

std::string lower(std::string text) {
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

std::vector<std::string> asking(const TargetPhrases& target) {
  std::vector<std::string> all = target.questions;
  for (const auto* more : {&target.unseen, &target.clues, &target.unseen_clues}) {
    all.insert(all.end(), more->begin(), more->end());
  }
  return all;
}

TEST(DemoPhrases, CoverEveryStructureWithEnoughWordings) {
  EXPECT_EQ(demo_phrases().size(), 23U);
  for (const auto& target : demo_phrases()) {
    EXPECT_GE(target.questions.size(), 12U) << target.label;
    EXPECT_GE(target.unseen.size(), 3U) << target.label;
    EXPECT_GE(target.clues.size(), 6U) << target.label;
    EXPECT_GE(target.unseen_clues.size(), 2U) << target.label;
    EXPECT_FALSE(target.role.empty()) << target.label;
  }
}

TEST(DemoPhrases, NeverGiveTheNameAway) {
  for (const auto& target : demo_phrases()) {
    ASSERT_FALSE(target.stems.empty()) << target.label;
    EXPECT_TRUE(std::any_of(target.stems.begin(), target.stems.end(), [&](const auto& stem) {
      return lower(target.label).find(stem) != std::string::npos;
    })) << target.label;
    for (const auto& text : asking(target)) {
      EXPECT_EQ(lower(text).find(lower(target.label)), std::string::npos) << text;
      for (const auto& stem : target.stems) {
        // "air" as a word, not in "hair" or "pair"; all other stems anywhere.
        const bool found =
            (" " + lower(text)).find((stem == "air" ? " " : "") + stem) != std::string::npos;
        EXPECT_FALSE(found) << target.label << ": " << text;
      }
    }
  }
}

TEST(DemoPhrases, NoSentenceComesTwice) {
  std::set<std::string> all;
  for (const auto& target : demo_phrases()) {
    for (const auto& text : asking(target)) {
      EXPECT_TRUE(all.insert(lower(text)).second) << target.label << ": " << text;
    }
  }
  for (const std::size_t n : {2U, 3U}) {
    for (const auto& text : joint_questions(n, true)) {
      const auto& seen = joint_questions(n, false);
      EXPECT_EQ(std::find(seen.begin(), seen.end(), text), seen.end()) << text;
    }
  }
}

TEST(DemoPhrases, AnswersNameTheStructureInItsPlaceAndAreShort) {
  for (const auto& target : demo_phrases()) {
    const std::string answer = present_answer("In this slice", target.label, "head");
    EXPECT_EQ(count_seg(answer), 1U) << answer;
    EXPECT_EQ(phrases_of(answer), std::vector<std::string>{target.label}) << answer;
    EXPECT_NE(answer.find("</p> [SEG], which " + target.role), std::string::npos) << answer;
    const auto words = std::count(target.role.begin(), target.role.end(), ' ') + 1;
    EXPECT_LE(words, 9) << target.role;
    EXPECT_GE(words, 2) << target.role;
  }
}

TEST(DemoPhrases, QuestionsAreSentencesThatTakeAFrame) {
  for (const auto& target : demo_phrases()) {
    for (const auto* group : {&target.questions, &target.unseen}) {
      for (const auto& text : *group) {
        EXPECT_TRUE(text[0] >= 'A' && text[0] <= 'Z') << text;
        EXPECT_EQ(text.back(), '?') << text;
      }
    }
  }
  EXPECT_EQ(framed("Which one?", {"Looking at this slice, ", ""}),
            "Looking at this slice, which one?");
  EXPECT_EQ(framed("Which one?", {"Consider the scan. ", " Show where."}),
            "Consider the scan. Which one? Show where.");
}

TEST(DemoPhrases, AnswersAboutSeveralAndAboutNone) {
  const std::string view = "In this lower head MR slice", place = "lower and middle head";
  EXPECT_EQ(present_answer(view, "caudate", place),
            "In this lower head MR slice that would be the caudate (lower and middle head): "
            "<p> caudate </p> [SEG], which hugs the lateral ventricle.");
  EXPECT_EQ(absent_answer(view, "lungs", "chest"),
            "In this lower head MR slice that would be the lungs (chest): not seen here.");
  EXPECT_EQ(joint_answer(view, {"lungs", "trunk"}),
            "In this lower head MR slice those would be the lungs and the trunk: <p> lungs </p> "
            "[SEG], which exchange oxygen and carbon dioxide, and <p> trunk </p> [SEG], which is "
            "the whole body section.");
  EXPECT_EQ(joint_answer("Here", {"thalamus", "insula", "putamen"}),
            "Here those would be the thalamus, the insula and the putamen: <p> thalamus </p> "
            "[SEG], which relays the senses to the cortex, <p> insula </p> [SEG], which senses the "
            "inner body, and <p> putamen </p> [SEG], which drives practised movements.");
}

}  // namespace
}  // namespace medseg
