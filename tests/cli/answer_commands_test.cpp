// evaluate, score, table, predict and chat as a user runs them, on a tiny bundle.
#include <array>
#include <cstdio>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/evaluation/predictions.h"
#include "medseg/generation/generate.h"
#include "medseg/image/codec.h"
#include "medseg/models/llama.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;
namespace fs = std::filesystem;

struct Ran {
  int code = 0;
  std::string out, errors;
};

class Commands {
 public:
  Commands() {
    bundle_ = tiny_bundle();
    save_tiny_bundle(bundle_, scratch_ / "bundle");
    manifest_ = write_tiny_data(scratch_ / "data");
  }

  Ran run(const std::string& arguments, const std::string& input = "") {
    write_file(scratch_ / "stdin", input);
    const std::string command =
        std::string(MEDSEG_BINARY) + " " + arguments + " <" + at("stdin") + " 2>" + at("stderr");
    Ran ran;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    for (std::size_t count; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      ran.out.append(buffer.data(), count);
    }
    ran.code = WEXITSTATUS(::pclose(pipe));
    ran.errors = read_file(scratch_ / "stderr");
    return ran;
  }
  std::string at(const std::string& name) const { return (scratch_ / name).string(); }
  std::string model() const { return "--model " + at("bundle") + " --precision fp32 --threads 1 "; }
  std::string data() const { return "--data " + manifest_.string() + " "; }
  std::string picture() const { return "--image " + at("data/images/slice-4.png") + " "; }

  // Checks the exit code, one line on stderr that contains `what`, and that no folder is left.
  void expect_refused(const std::string& arguments, int code, const std::string& what,
                      const std::string& no_folder) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.code, code) << arguments << "\n" << ran.errors;
    EXPECT_EQ(ran.out, "");
    EXPECT_THAT(ran.errors, HasSubstr(what));
    EXPECT_EQ(std::count(ran.errors.begin(), ran.errors.end(), '\n'), 1) << ran.errors;
    EXPECT_FALSE(fs::exists(at(no_folder)));
  }

  OpenBundle bundle_;

 protected:
  TempFolder scratch_{"commands"};
  fs::path manifest_;
};

class EvaluateIntegration : public testing::Test, protected Commands {};
class PredictIntegration : public testing::Test, protected Commands {};
class ChatIntegration : public testing::Test, protected Commands {};

TEST_F(EvaluateIntegration, WritesPredictionsThatScoreTheSameAgain) {
  const Ran ran =
      run("evaluate " + model() + data() + "--split test --out " + at("out") + " --json");
  ASSERT_EQ(ran.code, 0) << ran.errors;
  const auto scores = json::parse(ran.out);
  EXPECT_EQ(scores["protocol"], "lisa");
  EXPECT_EQ(scores["n"], 2);
  EXPECT_EQ(scores["absent"], 1);
  EXPECT_EQ(read_predictions(at("out/predictions.jsonl")).size(), 3U);

  const Ran again = run("score " + at("out/predictions.jsonl") + " " + data() +
                        "--split test --protocol lisa --json");
  ASSERT_EQ(again.code, 0) << again.errors;
  auto replayed = json::parse(again.out);
  EXPECT_TRUE(replayed.contains("ci"));
  replayed.erase("ci");  // score adds intervals
  EXPECT_EQ(replayed, scores);
  EXPECT_EQ(scores, json::parse(read_file(at("out/scores.json"))));
}

TEST_F(EvaluateIntegration, AnswersInEveryPrecision) {
  for (const std::string precision : {"bf16", "fp16"}) {
    const auto out = at("out-" + precision);
    const Ran ran = run("evaluate --model " + at("bundle") + " --precision " + precision +
                        " --device cpu --threads 1 " + data() + "--split test --out " + out);
    ASSERT_EQ(ran.code, 0) << ran.errors;
    EXPECT_EQ(read_predictions(out + "/predictions.jsonl").size(), 3U);
  }
}

TEST_F(EvaluateIntegration, AFeatureCacheChangesNoBit) {
  const auto answers = [&](const std::string& out, const std::string& more) {
    const Ran ran = run("evaluate " + model() + data() + "--split test --out " + at(out) + more);
    EXPECT_EQ(ran.code, 0) << ran.errors;
    std::vector<json> lines;
    for (const auto& line : split(read_file(at(out + "/predictions.jsonl")), '\n')) {
      if (line.empty()) continue;
      lines.push_back(json::parse(line));
      lines.back().erase("seconds");
    }
    return std::tuple(lines, read_file(at(out + "/scores.json")), ran.errors);
  };
  const std::string kept = " --feature-cache " + at("kept");
  const auto [plain, plain_scores, none] = answers("plain", "");
  const auto [cold, cold_scores, cold_said] = answers("cold", kept);
  const auto [warm, warm_scores, warm_said] = answers("warm", kept);
  EXPECT_EQ(plain.size(), 3U);
  EXPECT_EQ(plain, cold);
  EXPECT_EQ(plain, warm);
  EXPECT_EQ(plain_scores, cold_scores);
  EXPECT_EQ(plain_scores, warm_scores);
  EXPECT_EQ(none.find("features: "), std::string::npos);
  EXPECT_THAT(cold_said,
              HasSubstr("features: 0 read from " + at("kept") + ", 1 computed, 1 added"));
  EXPECT_THAT(warm_said,
              HasSubstr("features: 1 read from " + at("kept") + ", 0 computed, 0 added"));

  const auto [narrow, narrow_scores, said] = answers("narrow", kept + " --cache-dtype bf16");
  EXPECT_THAT(said, HasSubstr("1 computed, 1 added"));
  EXPECT_EQ(run("evaluate --baselines " + model() + data() + "--split test --out " +
                at("baselines") + kept)
                .code,
            0);
}

TEST_F(EvaluateIntegration, TableStandsBesideTheBaselines) {
  ASSERT_EQ(
      run("evaluate " + model() + data() + "--split test --max-new-tokens 3 --out " + at("out"))
          .code,
      0);
  const Ran baselines =
      run("evaluate --baselines " + model() + data() + "--split test --out " + at("out"));
  ASSERT_EQ(baselines.code, 0) << baselines.errors;
  EXPECT_THAT(baselines.out, HasSubstr("nearest training slice"));
  const Ran table = run("table " + at("out"));
  ASSERT_EQ(table.code, 0) << table.errors;
  EXPECT_THAT(table.out, HasSubstr("| mean mask (told the target)"));
  EXPECT_THAT(table.out, HasSubstr("| skull "));
  EXPECT_THAT(run("table " + at("out") + " --format csv").out, HasSubstr("skull,2,"));
  EXPECT_EQ(run("table " + at("out") + " --format word").code, 2);
  EXPECT_EQ(run("table " + at("nowhere")).code, 3);
}

TEST_F(EvaluateIntegration, BadInputIsOneLineAndItsCode) {
  const std::string out = "--out " + at("none");
  expect_refused("evaluate " + model() + data() + "--split tset " + out, 3,
                 "no record in split \"tset\"", "none");
  expect_refused("evaluate " + model() + "--data " + at("no.jsonl") + " --split test " + out, 3,
                 "no.jsonl", "none");
  expect_refused("evaluate --model " + at("data") + " " + data() + out, 4, "not a bundle", "none");
  expect_refused("evaluate " + data() + out, 2, "--model", "none");
  expect_refused("evaluate --model " + at("bundle") + " --precision int3 " + data() + out, 2,
                 "unknown precision", "none");
  expect_refused("evaluate --model " + at("bundle") + " --device gpu " + data() + out, 2,
                 "--device: unknown device \"gpu\"", "none");
  expect_refused(
      "evaluate " + model() + data() + "--feature-cache " + at("data/manifest.jsonl") + " " + out,
      3, "manifest.jsonl: is a file, expected a folder", "none");
  expect_refused("evaluate " + model() + data() + "--cache-dtype int8 " + out, 2,
                 "--cache-dtype: unknown precision", "none");
  expect_refused("score " + at("none.jsonl") + " " + data(), 3, "none.jsonl", "none");
  expect_refused("score " + at("none.jsonl") + " " + data() + "--protocol lsia", 2,
                 "known are lisa", "none");
}

TEST_F(PredictIntegration, LeavesMasksAnOverlayAndTheAnswer) {
  {  // a bundle that draws: [SEG] after any state
    const at::NoGradGuard no_grad;
    const auto features = std::make_shared<const ImageFeatures>(
        encode_image(tiny_picture(32, 24, 2), *bundle_.model, bundle_.options, at::kFloat));
    GenerationOptions generation{.max_new_tokens = 4, .max_seg = 16};
    const auto ids =
        render({{"<image>\nWhere?", ""}}, *bundle_.tokenizer, bundle_.conversation(), true).ids;
    const auto spliced = bundle_.model->splice({{ids}, {}, {}, features->vision.unsqueeze(0)});
    const auto state = bundle_.model->language().forward(spliced.embeddings).select(1, -1);
    prefer(bundle_, bundle_.options.special_tokens.at("[SEG]"), state);
    ASSERT_FALSE(Dialogue(bundle_, features, generation).ask("Where?").masks.empty());
    save_tiny_bundle(bundle_, scratch_ / "bundle");
  }
  for (int round = 0; round < 2; ++round) {  // the second replaces the first
    const Ran ran = run("predict " + model() + picture() +
                        "--ask Where? --ask \"And why?\" --out " + at("out"));
    ASSERT_EQ(ran.code, 0) << ran.errors;
    const auto answer = json::parse(read_file(at("out/answer.json")));
    ASSERT_EQ(answer["turns"].size(), 2U);
    EXPECT_EQ(answer["turns"][1]["question"], "And why?");
    EXPECT_THAT(ran.out, HasSubstr(answer["turns"][0]["answer"].get<std::string>()));
    ASSERT_FALSE(answer["turns"][0]["masks"].empty());
    std::size_t masks = 0;
    for (const auto& turn : answer["turns"]) {
      for (const auto& item : turn["masks"]) {
        const Mask mask = read_mask(at("out/" + item["file"].get<std::string>()));
        EXPECT_EQ(mask.width, 32);
        EXPECT_EQ(mask.height, 24);
        EXPECT_EQ(mask.area(), item["area_pixels"].get<std::int64_t>());
        ++masks;
      }
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(at("out")), fs::directory_iterator()),
              static_cast<std::ptrdiff_t>(masks + 2));
    EXPECT_GE(read_image(at("out/overlay.png")).height, 512);
  }
}

TEST_F(PredictIntegration, BadInputIsOneLineAndItsCode) {
  const std::string out = " --out " + at("none");
  write_file(at("broken.png"), "\x89PNG\r\n\x1a\n and nothing more");
  expect_refused("predict " + model() + picture() + out, 2, "--ask", "none");
  expect_refused("predict " + model() + picture() + "--ask ' '" + out, 2, "--ask", "none");
  expect_refused("predict " + model() + "--image " + at("no.png") + " --ask Where?" + out, 3,
                 "no.png", "none");
  expect_refused("predict " + model() + "--image " + at("broken.png") + " --ask Where?" + out, 3,
                 "broken.png", "none");
  expect_refused("predict --model " + at("nothing") + " " + picture() + "--ask Where?" + out, 4,
                 "nothing", "none");
  bundle_.options.initialised = {"model.text_hidden_fcs.0.0.weight"};
  save_tiny_bundle(bundle_, scratch_ / "bundle");
  expect_refused("predict " + model() + picture() + "--ask Where?" + out, 4, "text_hidden_fcs",
                 "none");
}

TEST_F(PredictIntegration, NeverRemovesAStrangersFiles) {
  write_file(at("mine/notes.txt"), "keep");
  const Ran ran = run("predict " + model() + picture() + "--ask Where? --out " + at("mine"));
  EXPECT_EQ(ran.code, 3);
  EXPECT_THAT(ran.errors, HasSubstr("notes.txt"));
  EXPECT_EQ(read_file(at("mine/notes.txt")), "keep");
}

TEST_F(PredictIntegration, ACtVolumeWithoutAWindowIsShownThroughCtSoftAndSaysSo) {
  // Air around a body of soft tissue with bone in it, in Hounsfield units.
  std::string header =
      "ObjectType = Image\nNDims = 3\nDimSize = 16 16 3\nElementType = MET_SHORT\n"
      "ElementSpacing = 1 1 2\nElementByteOrderMSB = False\nElementDataFile = LOCAL\n";
  for (int k = 0; k < 3 * 16 * 16; ++k) {
    const int x = k % 16, y = k / 16 % 16;
    const bool body = x > 2 && x < 13 && y > 2 && y < 13;
    const int value = !body ? -1000 : (x == 7 && y == 7 ? 900 : 30 + x + y);
    header += {static_cast<char>(value & 255), static_cast<char>((value >> 8) & 255)};
  }
  write_file(at("ct.mha"), header);
  const std::string volume = at("ct.mha");
  const auto ask = [&](const std::string& more, const std::string& out) {
    return "predict " + model() + "--image " + volume + " --ask Where? --out " + at(out) + " " +
           more;
  };
  const Ran ran = run(ask("--slice 1 --modality ct", "out"));
  ASSERT_EQ(ran.code, 0) << ran.errors;
  EXPECT_THAT(ran.errors, HasSubstr("ct-soft"));
  const auto answer = json::parse(read_file(at("out/answer.json")));
  EXPECT_EQ(answer["window"], "ct-soft(-160, 240)");
  EXPECT_FALSE(answer["notes"].empty());

  const Ran named = run(ask("--slice 1 --axis 0 --window \"mine(-100, 300)\"", "named"));
  ASSERT_EQ(named.code, 0) << named.errors;
  EXPECT_EQ(json::parse(read_file(at("named/answer.json")))["window"], "mine(-100, 300)");

  const Ran whole = run(ask("--slices 1:3 --modality ct", "whole"));
  ASSERT_EQ(whole.code, 0) << whole.errors;
  const auto slices = json::parse(read_file(at("whole/answer.json")));
  EXPECT_EQ(slices["slices"], (std::vector<int>{1, 3}));
  EXPECT_EQ(slices["turns"][0]["answers"].size(), 2U);
  EXPECT_EQ(slices["window"], "ct-soft(-160, 240)");
  const Ran again = run(ask("--slices 0:3 --modality ct", "whole"));
  EXPECT_THAT(again.errors, HasSubstr("2 of 3 slices are answered already"));

  expect_refused(ask("--slices 2:1", "bad"), 2, "--slices: expected auto or A:B", "bad");
  expect_refused(ask("--slices 0:9", "bad"), 2, "--slices: 0:9 is out of range", "bad");
  expect_refused(ask("--slice 1 --slices 0:2", "bad"), 2, "--slices: --slice asks about", "bad");
  expect_refused("predict " + model() + picture() + "--slices auto --ask Where? --out " + at("bad"),
                 2, "--slices: no --image is a volume", "bad");
  expect_refused(ask("--slice 99", "bad"), 2, "--slice: 99 is out of range", "bad");
  expect_refused("predict " + model() + picture() + "--slice 1 --ask Where? --out " + at("bad"), 2,
                 "is no volume", "bad");
}

TEST_F(ChatIntegration, AnswersLineByLine) {
  const Ran ran = run("chat " + model() + picture() + "--max-new-tokens 4 --out " + at("out"),
                      "Where?\n\nWhy?\n/exit\nLost\n");
  ASSERT_EQ(ran.code, 0) << ran.errors;
  const auto answer = json::parse(read_file(at("out/answer.json")));
  ASSERT_EQ(answer["turns"].size(), 2U);
  EXPECT_EQ(answer["turns"][1]["question"], "Why?");
  EXPECT_THAT(ran.out, HasSubstr(answer["turns"][1]["answer"].get<std::string>()));
}

}  // namespace
}  // namespace medseg
