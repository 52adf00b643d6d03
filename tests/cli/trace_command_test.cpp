// `medseg model trace` as a user runs it.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/weights/tensor_file.h"
#include "support/golden_bundle.h"
#include "support/run_cli.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using testing::HasSubstr;

class TraceCommand : public testing::Test {
 protected:
  TraceCommand() {
    copy_golden_bundle("dinov2", scratch_ / "bundle");
    out_ = (scratch_ / "trace.safetensors").string();
    data_ = golden_manifest().string();
    image_ = (golden_manifest().parent_path() / "image.png").string();
  }

  Outcome run(std::vector<std::string> words) {
    words.insert(words.begin(), {"model", "trace", "--model", (scratch_ / "bundle").string()});
    words.insert(words.end(), {"--out", out_});
    return run_words(std::move(words));
  }
  void expect_refused(const std::vector<std::string>& words, int code, const std::string& what) {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.code, code) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(std::filesystem::exists(out_));
  }

  TempFolder scratch_{"trace-command"};
  std::string out_, data_, image_;
};

TEST_F(TraceCommand, WritesARecordWithItsGradients) {
  const auto outcome = run({"--data", data_, "--id", "two-turns", "--gradients", "lm_head.weight",
                            "--gradients", "model.mm_projector.*", "--generate", "4"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto file = open_tensor_file(out_);
  for (const char* name :
       {"image.vision_input", "loss.total", "grad.lm_head.weight", "grad.model.mm_projector.2.bias",
        "generate.ids", "generate.seg_positions", "generate.mask_logits"}) {
    EXPECT_TRUE(file->contains(name)) << name;
    EXPECT_THAT(outcome.out, HasSubstr(name));
  }
  EXPECT_LE(file->load("generate.ids").size(0), 4);
  EXPECT_EQ(file->load("seg.positions").size(0), 2);
}

TEST_F(TraceCommand, WritesAQuestionWithAndWithoutAnAnswer) {
  ASSERT_EQ(run({"--image", image_, "--prompt", "Where is it?"}).code, 0);
  EXPECT_FALSE(open_tensor_file(out_)->contains("seg.positions"));
  ASSERT_EQ(run({"--image", image_, "--prompt", "Where is it?", "--answer", "[SEG]"}).code, 0);
  const auto file = open_tensor_file(out_);
  EXPECT_EQ(file->load("mask.logits").sizes(), (std::vector<std::int64_t>{1, 23, 30}));
  EXPECT_FALSE(file->contains("loss.total"));
}

TEST_F(TraceCommand, WhatIsWrongIsOneLineAndItsCode) {
  expect_refused({"--data", data_, "--id", "two-tunrs"}, 3, "did you mean \"two-turns\"?");
  expect_refused({"--data", (scratch_ / "no.jsonl").string(), "--id", "x"}, 3, "no.jsonl");
  expect_refused({"--data", data_, "--id", "two-turns", "--gradients", "lm_haed*"}, 2,
                 "did you mean \"lm_head\"?");
  expect_refused({"--image", image_, "--prompt", "Where?", "--gradients", "lm_head.weight"}, 2,
                 "--gradients: needs --data");
  expect_refused({}, 2, "--image and --prompt");
  expect_refused({"--data", data_}, 2, "--id");
  expect_refused({"--image", image_}, 2, "--prompt");
  expect_refused({"--prompt", "Where?"}, 2, "--image");
  expect_refused({"--data", data_, "--id", "two-turns", "--prompt", "Where?"}, 2, "either");
  expect_refused({"--image", image_, "--prompt", "Where?", "--answer", "<image>"}, 2, "--answer");
  expect_refused({"--image", image_ + "x", "--prompt", "Where?"}, 3, "image.pngx");
  expect_refused({"--image", image_, "--prompt", "Where?", "--generate", "-1"}, 2, "--generate");
  expect_refused({"--image", image_, "--prompt", std::string(9000, 'a')}, 3, "positions for 256");
}

TEST_F(TraceCommand, AnswersWithMasksNeedATokenForThem) {
  const auto config = scratch_ / "bundle/config.json";
  auto json = nlohmann::json::parse(read_file(config));
  json["model"]["grounding"] = {{"encoder", ""}};
  json["special_tokens"] = nlohmann::json::object();
  auto tokenizer = nlohmann::json::parse(read_file(scratch_ / "bundle/tokenizer.json"));
  for (auto& token : tokenizer["added_tokens"]) {
    if (token["content"] == "[SEG]") token["content"] = "[SEC]";
  }
  write_file(scratch_ / "bundle/tokenizer.json", tokenizer.dump());
  json["tokenizer_fingerprint"] = load_tokenizer(scratch_ / "bundle")->fingerprint();
  write_file(config, json.dump());
  std::vector<std::pair<std::string, at::Tensor>> kept;
  {
    const auto file = open_tensor_file(scratch_ / "bundle/model.safetensors.index.json");
    for (const auto& info : file->tensors()) {
      if (info.name.find("grounding_encoder") == std::string::npos &&
          info.name.find("text_hidden_fcs") == std::string::npos) {
        kept.emplace_back(info.name, file->load(info.name).clone());
      }
    }
  }
  write_safetensors(scratch_ / "bundle/model.safetensors", kept);
  expect_refused({"--image", image_, "--prompt", "Where?", "--answer", "[SEG]"}, 2, "--answer");
  expect_refused({"--data", data_, "--id", "two-turns"}, 3, "manifest.jsonl:1: ");
  ASSERT_EQ(run({"--image", image_, "--prompt", "Where?", "--answer", "There."}).code, 0);
  EXPECT_TRUE(open_tensor_file(out_)->contains("projector.output"));
  EXPECT_FALSE(open_tensor_file(out_)->contains("grounding.image_embedding"));
}

TEST_F(TraceCommand, AnUntrainedBundleIsTracedWithAWarning) {
  const auto config = scratch_ / "bundle/config.json";
  auto json = nlohmann::json::parse(read_file(config));
  json["initialised"] = {"model.text_hidden_fcs.0.0.weight"};
  write_file(config, json.dump());
  const auto outcome = run({"--image", image_, "--prompt", "Where?"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("never trained"));
}

}  // namespace
}  // namespace medseg
