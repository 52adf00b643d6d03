#include "medseg/dataset/demo_phrases.h"

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
    EXPECT_EQ(target.roles.size(), 3U) << target.label;
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
    for (const auto& role : target.roles) {
      const std::string answer = present_answer("In this slice", {target.label}, {role});
      EXPECT_EQ(count_seg(answer), 1U) << answer;
      EXPECT_EQ(phrases_of(answer), std::vector<std::string>{target.label}) << answer;
      EXPECT_NE(answer.find("</p> [SEG], which "), std::string::npos) << answer;
      const auto words = std::count(role.begin(), role.end(), ' ') + 1;
      EXPECT_LE(words, 9) << role;
      EXPECT_GE(words, 2) << role;
    }
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
  const std::string view = "In this lower head MR slice";
  EXPECT_EQ(present_answer(view, {"caudate"}, {"hugs the lateral ventricle"}),
            "In this lower head MR slice that would be the caudate: <p> caudate </p> [SEG], which "
            "hugs the lateral ventricle.");
  EXPECT_EQ(present_answer(view, {"lungs", "trunk"}, {"are dark with air", "is the body section"}),
            "In this lower head MR slice those would be the lungs and the trunk: <p> lungs </p> "
            "[SEG], which are dark with air, and <p> trunk </p> [SEG], which is the body section.");
  EXPECT_EQ(present_answer("Here", {"a", "b", "c"}, {"x", "y", "z"}),
            "Here those would be the a, the b and the c: <p> a </p> [SEG], which x, <p> b </p> "
            "[SEG], which y, and <p> c </p> [SEG], which z.");
  EXPECT_EQ(absent_answer(view, "lungs"),
            "In this lower head MR slice that would be the lungs, not seen here.");
}

}  // namespace
}  // namespace medseg
