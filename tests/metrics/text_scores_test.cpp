#include "medseg/metrics/text_scores.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::ElementsAre;

const json& golden() {
  static const json file =
      json::parse(read_file(MEDSEG_SOURCE_DIR "/tests/golden/metrics/texts.json"));
  return file;
}

std::vector<TextPair> pairs() {
  std::vector<TextPair> all;
  for (const json& pair : golden()["pairs"]) all.push_back({pair[0], pair[1]});
  return all;
}

TEST(TextScores, BleuEqualsSacrebleu) {
  const json& bleu = golden()["bleu"];
  EXPECT_NEAR(bleu[0].get<double>(), corpus_bleu(pairs()), 1e-9) << "of the whole corpus";
  for (std::size_t i = 0; i < pairs().size(); ++i)
    EXPECT_NEAR(bleu[i + 1].get<double>(), corpus_bleu({pairs()[i]}), 1e-9) << "pair " << i;
}

TEST(TextScores, RougeEqualsRougeScore) {
  for (std::size_t i = 0; i < pairs().size(); ++i) {
    EXPECT_NEAR(golden()["rouge_1"][i].get<double>(), rouge_n(pairs()[i], 1), 1e-12) << i;
    EXPECT_NEAR(golden()["rouge_2"][i].get<double>(), rouge_n(pairs()[i], 2), 1e-12) << i;
    EXPECT_NEAR(golden()["rouge_l"][i].get<double>(), rouge_l(pairs()[i]), 1e-12) << i;
  }
}

TEST(TextScores, CiderEqualsPycocoevalcapOnTheSameWords) {
  EXPECT_NEAR(golden()["cider"]["mean"].get<double>(), cider_d(pairs()), 1e-9);
}

TEST(TextScores, MeteorEqualsNltkWithoutWordNet) {
  for (std::size_t i = 0; i < pairs().size(); ++i)
    EXPECT_NEAR(golden()["meteor_exact_stem"][i].get<double>(), meteor_exact_stem(pairs()[i]), 1e-9)
        << "pair " << i;
}

TEST(TextScores, StemsEqualNltksOriginalAlgorithm) {
  ASSERT_GT(golden()["stems"].size(), 100U);
  for (const json& stem : golden()["stems"])
    EXPECT_EQ(porter_stem(stem[0]), stem[1].get<std::string>()) << stem[0];
}

TEST(TextScores, CleaningTakesTagsAndSegAway) {
  EXPECT_EQ(clean_text("'The <p> skull </p> [SEG] does. '"), "The skull does.");
  EXPECT_EQ(clean_text(" a < b \n c "), "a < b c");
  EXPECT_EQ(clean_text("<p>x</p>"), "x");
  EXPECT_EQ(clean_text("''"), "");
}

TEST(TextScores, WordsOfCaptions) {
  EXPECT_THAT(caption_words("It doesn't (really): 3.5, at 14:30..."),
              ElementsAre("it", "does", "n't", "-lrb-", "really", "-rrb-", "3.5", "at", "14:30"));
}

TEST(TextScores, MatchesExactAndNormalised) {
  const auto scores =
      text_scores({{"The <p> skull </p> [SEG].", "The skull ."}, {"A lung", "lung!"}});
  EXPECT_EQ(scores.exact_match, 0.5);
  EXPECT_EQ(scores.normalised_match, 1.0);
  EXPECT_TRUE(std::isnan(text_scores({}).bleu));
}

}  // namespace
}  // namespace medseg
