// `medseg evaluate`: long work that keeps what it has.
#include <algorithm>
#include <csignal>
#include <fstream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "medseg/dataset/contamination.h"
#include "medseg/evaluation/predictions.h"
#include "support/child_process.h"
#include "support/run_cli.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class EvaluateCommand : public testing::Test {
 protected:
  EvaluateCommand() {
    manifest_ = write_tiny_data(scratch_ / "data");
    save_tiny_bundle(tiny_bundle(), scratch_ / "bundle");
  }

  Outcome evaluate(const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"evaluate", "--model",     (scratch_ / "bundle").string(),
                                      "--data",   manifest_,     "--out",
                                      path(out),  "--precision", "fp32",
                                      "--split",  "test",        "--max-new-tokens",
                                      "6"};
    words.insert(words.end(), more.begin(), more.end());
    return run_words(words);
  }
  std::string path(const std::string& name) const { return (scratch_ / name).string(); }
  json facts(const std::string& out) const {
    return json::parse(read_file(scratch_ / out / "evaluation.json"));
  }
  /// Lines of predictions without what the clock says.
  std::vector<json> answers(const std::string& out) const {
    std::vector<json> lines;
    for (const auto& line : split(read_file(scratch_ / out / "predictions.jsonl"), '\n')) {
      if (line.empty()) continue;
      lines.push_back(json::parse(line));
      lines.back().erase("seconds");
    }
    return lines;
  }
  void keep_lines(const std::string& out, std::size_t count, const std::string& torn) {
    const auto file = scratch_ / out / "predictions.jsonl";
    const auto lines = split(read_file(file), '\n');
    std::string kept;
    for (std::size_t i = 0; i < count; ++i) kept += lines[i] + "\n";
    write_file(file, kept + torn);
    auto begun = facts(out);
    begun["complete"] = false;
    write_file(scratch_ / out / "evaluation.json", begun.dump());
  }

  TempFolder scratch_{"evaluate"};
  std::string manifest_;
};

TEST_F(EvaluateCommand, WritesAnswersScoresAndWhatWasAsked) {
  const auto outcome = evaluate("out", {"--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(answers("out").size(), 3U);
  EXPECT_EQ(json::parse(outcome.out), json::parse(read_file(scratch_ / "out/scores.json")));
  const auto said = facts("out");
  EXPECT_EQ(said["complete"], true);
  EXPECT_EQ(said["records"], 2);
  EXPECT_EQ(said["answers"], 3);
  EXPECT_EQ(said["mode"], "generate");
  EXPECT_EQ(said["split"], "test");
  EXPECT_EQ(said["manifest"], manifest_);
}

TEST_F(EvaluateCommand, TheBatchDoesNotChangeTheAnswers) {
  ASSERT_EQ(evaluate("one", {"--batch", "1"}).code, 0);
  ASSERT_EQ(evaluate("many", {"--batch", "5"}).code, 0);
  EXPECT_EQ(answers("one"), answers("many"));
  EXPECT_EQ(read_file(scratch_ / "one/scores.json"), read_file(scratch_ / "many/scores.json"));
}

TEST_F(EvaluateCommand, ResumeAsksOnlyWhatIsLeft) {
  ASSERT_EQ(evaluate("whole").code, 0);
  ASSERT_EQ(evaluate("cut").code, 0);
  // One record whole, half of the next, and a line that a kill tore.
  keep_lines("cut", 2, R"({"id": "test-2", "tu)");
  const auto outcome = evaluate("cut", {"--resume"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("1 answers of an earlier run are kept"));
  EXPECT_EQ(answers("cut"), answers("whole"));
  EXPECT_EQ(read_file(scratch_ / "cut/scores.json"), read_file(scratch_ / "whole/scores.json"));
  EXPECT_EQ(facts("cut")["resumed_answers"], 1);
  const auto again = evaluate("cut", {"--resume"});
  ASSERT_EQ(again.code, 0);
  EXPECT_THAT(again.err, HasSubstr("3 answers of an earlier run are kept"));
  EXPECT_EQ(answers("cut"), answers("whole"));
}

TEST_F(EvaluateCommand, ResumeKeepsNoAnswerThatIsNotOfTheSplitOrStandsTwice) {
  ASSERT_EQ(evaluate("whole").code, 0);
  ASSERT_EQ(evaluate("odd").code, 0);
  const auto lines = split(read_file(scratch_ / "odd/predictions.jsonl"), '\n');
  auto stranger = json::parse(lines[0]);
  stranger["id"] = "train-1";
  // A record of another split, and one with a turn twice in place of two.
  write_file(scratch_ / "odd/predictions.jsonl",
             stranger.dump() + "\n" + lines[1] + "\n" + lines[1] + "\n");
  const auto outcome = evaluate("odd", {"--resume"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("0 answers of an earlier run are kept"));
  EXPECT_EQ(answers("odd"), answers("whole"));
}

TEST_F(EvaluateCommand, ResumeRefusesWhatWasAskedOtherwise) {
  ASSERT_EQ(evaluate("out").code, 0);
  const auto other = evaluate("out", {"--resume", "--mode", "teacher-forced"});
  EXPECT_EQ(other.code, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("--resume"), HasSubstr("mode"), HasSubstr("generate"),
                               HasSubstr("teacher-forced")));
  const auto data = read_file(manifest_);
  write_file(manifest_, data + "\n");
  EXPECT_THAT(evaluate("out", {"--resume"}).err, HasSubstr("another manifest_hash"));
  EXPECT_EQ(answers("out").size(), 3U) << "what was there stays";
}

TEST_F(EvaluateCommand, AnUnfinishedEvaluationIsMovedAside) {
  ASSERT_EQ(evaluate("out").code, 0);
  keep_lines("out", 1, "");
  const auto outcome = evaluate("out");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("begun anew"), HasSubstr("predictions.before.jsonl")));
  EXPECT_EQ(read_predictions(scratch_ / "out/predictions.before.jsonl").size(), 1U);
  keep_lines("out", 3, "");
  EXPECT_EQ(evaluate("out").code, 0);
  EXPECT_EQ(read_predictions(scratch_ / "out/predictions.before-2.jsonl").size(), 3U);
  EXPECT_EQ(read_predictions(scratch_ / "out/predictions.before.jsonl").size(), 1U) << "it stays";
}

TEST_F(EvaluateCommand, ADamagedImageCountsAsFailedAndTheRestIsAnswered) {
  const auto lines = read_file(manifest_);
  write_file(scratch_ / "data/images/slice-9.png", "\x89PNG no more");
  auto damaged = json::parse(lines.substr(0, lines.find('\n')));
  damaged["id"] = "damaged";
  damaged["split"] = "test";
  damaged["image"] = "images/slice-9.png";
  write_file(manifest_, damaged.dump() + "\n" + lines);
  const auto outcome = evaluate("out", {"--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("record damaged counts as failed"),
                                 HasSubstr("slice-9.png"), HasSubstr("--resume")));
  const auto scores = json::parse(outcome.out);
  EXPECT_EQ(scores["failed"], 1);
  EXPECT_EQ(scores["n"], 3) << "its mask is missed, not dropped";
  EXPECT_EQ(answers("out").size(), 4U);
  EXPECT_EQ(facts("out")["quarantined"][0]["id"], "damaged");
  // Mended, it is asked again and nothing else.
  write_png(scratch_ / "data/images/slice-9.png", tiny_picture(32, 24));
  const auto mended = evaluate("out", {"--resume", "--json"});
  ASSERT_EQ(mended.code, 0) << mended.err;
  EXPECT_THAT(mended.err, HasSubstr("3 answers of an earlier run are kept"));
  EXPECT_EQ(json::parse(mended.out)["failed"], 0);
}

TEST_F(EvaluateCommand, SaysWhatOfTheDataWasTrainedOnAlsoBesideADamagedImage) {
  const auto manifest = Manifest::read(manifest_);
  std::int64_t unread = 0;
  write_trained_on(scratch_ / "bundle/trained_on.json", hashes_of({&manifest, "test"}, unread));
  auto damaged = json::parse(read_file(manifest_).substr(0, read_file(manifest_).find('\n')));
  damaged["id"] = "damaged";
  damaged["split"] = "test";
  damaged["image"] = "images/slice-9.png";
  write_file(scratch_ / "data/images/slice-9.png", "\x89PNG no more");
  write_file(manifest_, read_file(manifest_) + damaged.dump() + "\n");
  const auto outcome = evaluate("out");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("1 of 1 test pictures and 1 of 1 patients were trained on; 1 "
                                     "pictures could not be read"));
  EXPECT_EQ(facts("out")["leakage"]["unread_pictures"], 1);

  write_file(scratch_ / "bundle/trained_on.json", R"({"format": "x"})");
  EXPECT_EQ(evaluate("none").code, 3);
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "none")) << "told before anything is asked";
}

TEST_F(EvaluateCommand, TooManyFailuresEndIt) {
  write_file(scratch_ / "data/images/slice-4.png", "no image");
  const auto none = evaluate("none", {"--max-failed", "0"});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, AllOf(HasSubstr("--max-failed"), HasSubstr("slice-4.png")));
  const auto all = evaluate("all");
  EXPECT_EQ(all.code, 3) << "every record failed";
  EXPECT_THAT(all.err, HasSubstr("no record of the split can be asked"));
}

TEST_F(EvaluateCommand, TeacherForcedAnswersAreTheReferencesWithTheModelsMasks) {
  const auto outcome = evaluate("forced", {"--mode", "teacher-forced", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto forced = answers("forced");
  ASSERT_EQ(forced.size(), 3U);
  EXPECT_EQ(forced[0]["text"], "The <p> skull </p> [SEG] does.");
  EXPECT_EQ(forced[0]["masks"].size(), 1U);
  EXPECT_EQ(forced[2]["masks"].size(), 0U);
  EXPECT_EQ(json::parse(outcome.out)["missed"], 0);
  EXPECT_EQ(facts("forced")["mode"], "teacher-forced");
  for (const std::string flag : {"--history", "--batch"}) {
    const auto odd =
        evaluate("odd", {"--mode", "teacher-forced", flag, flag == "--batch" ? "2" : "own"});
    EXPECT_EQ(odd.code, 2);
    EXPECT_THAT(odd.err, HasSubstr(flag));
  }
}

TEST_F(EvaluateCommand, KeptLogitsAreProbabilitiesOfTheMasks) {
  ASSERT_EQ(evaluate("out", {"--mode", "teacher-forced", "--keep-logits"}).code, 0);
  const auto predictions = read_predictions(scratch_ / "out/predictions.jsonl");
  ASSERT_FALSE(predictions[0].masks.empty());
  const auto& mask = predictions[0].masks[0];
  const Image map = read_image(scratch_ / "out" / mask.probability);
  const Mask drawn = decode_rle(mask.rle);
  for (std::size_t i = 0; i < drawn.pixels.size(); ++i)
    EXPECT_EQ(map.pixels[i] >= 128, drawn.pixels[i] == 1) << "pixel " << i;
}

TEST_F(EvaluateCommand, RefusesBeforeTheModelIsOpened) {
  write_file(scratch_ / "bundle/model.safetensors", "damaged");
  const auto lines = read_file(manifest_);
  write_file(manifest_, lines.substr(0, lines.find("test-1") - 8));  // nothing of the split is left
  EXPECT_THAT(evaluate("out").err, HasSubstr("no record in split \"test\""));
  write_file(manifest_, lines);
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "out"));
  EXPECT_EQ(evaluate("out", {"--batch", "0"}).code, 2);
  EXPECT_EQ(evaluate("out", {"--mode", "sample"}).code, 2);
  EXPECT_EQ(evaluate("out", {"--baselines", "--resume"}).code, 2);
}

class ResumeIntegration : public EvaluateCommand {};

// kill -9 at any moment, twenty times: every answer once, the same as an unbroken run's.
TEST_F(ResumeIntegration, TwentyKillsLoseNothing) {
  const auto lines = split(read_file(manifest_), '\n');
  std::string many;
  for (int i = 0; i < 60; ++i) {
    auto record = json::parse(lines[3]);  // test-2, which has two turns
    record["id"] = str_cat("case-", i);
    many += record.dump() + "\n";
  }
  write_file(manifest_, many);
  ASSERT_EQ(evaluate("whole", {"--batch", "3"}).code, 0);
  const std::vector<std::string> words = {"evaluate",
                                          "--model",
                                          path("bundle"),
                                          "--data",
                                          manifest_,
                                          "--out",
                                          path("killed"),
                                          "--precision",
                                          "fp32",
                                          "--split",
                                          "test",
                                          "--max-new-tokens",
                                          "6",
                                          "--batch",
                                          "3",
                                          "--resume"};
  int killed = 0;
  for (int i = 0; i < 20; ++i) {
    const pid_t child = start_medseg(words, scratch_ / "errors.txt", scratch_ / "said.txt");
    ::usleep(static_cast<useconds_t>(100'000 + 40'000 * i));
    ::kill(child, SIGKILL);
    killed += exit_code_of(child) == -SIGKILL;
  }
  EXPECT_GT(killed, 0);
  const pid_t last = start_medseg(words, scratch_ / "errors.txt", scratch_ / "said.txt");
  ASSERT_EQ(exit_code_of(last), 0) << read_file(scratch_ / "errors.txt");
  EXPECT_EQ(answers("killed"), answers("whole"));
  EXPECT_EQ(read_file(scratch_ / "killed/scores.json"), read_file(scratch_ / "whole/scores.json"));
}

TEST_F(ResumeIntegration, CtrlCKeepsWhatWasAnsweredAndSaysSo) {
  const auto lines = split(read_file(manifest_), '\n');
  std::string many;
  for (int i = 0; i < 400; ++i) {
    auto record = json::parse(lines[3]);
    record["id"] = str_cat("case-", i);
    many += record.dump() + "\n";
  }
  write_file(manifest_, many);
  const pid_t child = start_medseg(
      {"evaluate", "--model", path("bundle"), "--data", manifest_, "--out", path("cut"),
       "--precision", "fp32", "--split", "test", "--max-new-tokens", "6", "--batch", "1"},
      scratch_ / "errors.txt", scratch_ / "said.txt");
  const auto file = scratch_ / "cut/predictions.jsonl";
  while (!std::filesystem::exists(file) || std::filesystem::file_size(file) == 0) ::usleep(2000);
  ::kill(child, SIGINT);
  EXPECT_EQ(exit_code_of(child), 130);
  EXPECT_THAT(read_file(scratch_ / "errors.txt"),
              AllOf(HasSubstr("stopping: the answers so far are kept"), HasSubstr("--resume")));
  EXPECT_GE(read_predictions(file).size(), 2U);
  EXPECT_EQ(facts("cut")["complete"], false);
}

}  // namespace
}  // namespace medseg
