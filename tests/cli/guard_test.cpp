// Every command refuses a bundle that must not be used.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "support/run_cli.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;

const std::string kDecoder = "model.grounding_encoder.mask_decoder.";

class Guard : public testing::Test {
 protected:
  Guard() {
    manifest_ = write_tiny_data(scratch_ / "data").string();
    save();
  }

  std::string at(const std::string& name) const { return (scratch_ / name).string(); }
  void save() { save_tiny_bundle(bundle_, scratch_ / "bundle"); }
  void initialised(const std::vector<std::string>& names) {
    bundle_.options.initialised = names;
    save();
  }

  Outcome evaluate(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"evaluate", "--model", at("bundle"), "--data",
                                      manifest_,  "--out",   at("out")};
    words.insert(words.end(), more.begin(), more.end());
    return run_words(words);
  }
  Outcome predict() {
    return run_words({"predict", "--model", at("bundle"), "--image", at("data/images/slice-4.png"),
                      "--ask", "Where?", "--max-new-tokens", "2", "--out", at("out")});
  }
  Outcome chat() {
    return run_words({"chat", "--model", at("bundle"), "--image", at("data/images/slice-4.png")});
  }
  Outcome train(const std::string& trainable) {
    write_file(
        scratch_ / "config.json",
        json{{"model", at("bundle")},
             {"data", {{"train", json::array({json{{"manifest", manifest_}}})}, {"workers", 0}}},
             {"train",
              {{"steps", 1},
               {"accumulation", 1},
               {"precision", "fp32"},
               {"token_rows", "new"},
               {"trainable", json::parse(trainable)},
               {"schedule", {{"warmup_steps", 0}}}}}}
            .dump());
    return run_words({"train", at("config.json"), "--out", at("run")});
  }
  Outcome audit() { return run_words({"model", "audit", at("bundle"), "--json"}); }

  void expect_refused(const Outcome& outcome, const std::string& what) {
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(what));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_FALSE(std::filesystem::exists(scratch_ / "out"));
  }
  void expect_all_refuse(const std::string& what) {
    for (const auto& outcome : {evaluate(), predict(), chat()}) {
      expect_refused(outcome, what);
      EXPECT_EQ(outcome.out, "");
    }
    const auto audited = audit();
    expect_refused(audited, what);
    EXPECT_FALSE(json::parse(audited.out).at("usable").get<bool>());
  }

  TempFolder scratch_{"guard"};
  OpenBundle bundle_ = tiny_bundle();
  std::string manifest_;
};

TEST_F(Guard, WhatWasNeverTrainedDoesNotAnswer) {
  for (const std::string name :
       {"model.text_hidden_fcs.0.2.bias", "model.mm_projector.0.weight",
        "model.embed_tokens.weight[420:423]", "lm_head.weight[420:423]",
        "model.grounding_encoder.mask_decoder.mask_tokens.weight", "model.norm.weight"}) {
    initialised({name});
    expect_all_refuse(name);
  }
  initialised({kDecoder + "iou_prediction_head.layers.0.bias"});  // training does not change it
  EXPECT_EQ(predict().code, 0);
  EXPECT_TRUE(json::parse(audit().out).at("usable").get<bool>());
}

TEST_F(Guard, BoxesNeedTheDecoderOnly) {
  initialised({"model.text_hidden_fcs.0.2.bias"});
  EXPECT_EQ(evaluate({"--baselines"}).code, 0);
  std::filesystem::remove_all(scratch_ / "out");
  initialised({kDecoder + "mask_tokens.weight"});
  expect_refused(evaluate({"--baselines"}), "mask_tokens");
}

TEST_F(Guard, AnotherTokenizerIsNoticed) {
  bundle_.options.tokenizer_fingerprint = "";
  save();
  expect_all_refuse("tokenizer_fingerprint is empty");
  bundle_.options.tokenizer_fingerprint = bundle_.tokenizer->fingerprint();
  save();
  auto tokenizer = json::parse(read_file(scratch_ / "bundle/tokenizer.json"));
  auto& merges = tokenizer["model"]["merges"];
  std::swap(merges[0], merges[1]);
  write_file(scratch_ / "bundle/tokenizer.json", tokenizer.dump());
  expect_all_refuse("fingerprint");
  expect_refused(train(R"(["mask_decoder"])"), "fingerprint");
}

TEST_F(Guard, ASpecialTokenIsOneIdAndTheModelsOwn) {
  bundle_.options.special_tokens["[SEG]"] += 1;
  save();
  expect_all_refuse("[SEG] is id");
  bundle_.options.special_tokens["[SEG]"] -= 1;
  bundle_.options.special_tokens["</q>"] = 3;
  save();
  expect_all_refuse("no token </q>");
  bundle_.options.special_tokens.erase("</q>");
  bundle_.options.image_start_end = true;  // but the tokenizer has no <im_start>
  save();
  expect_all_refuse("<im_start>");
}

TEST_F(Guard, TrainingMustReachWhatWasInitialised) {
  initialised({"model.text_hidden_fcs.0.0.weight", "model.embed_tokens.weight[420:423]"});
  const auto outcome = train(R"(["mask_decoder", "embed_tokens"])");
  expect_refused(outcome, "train.trainable leaves them out: add text_hidden_fcs");
  EXPECT_THAT(outcome.err, HasSubstr("model.text_hidden_fcs.0.0.weight"));
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "run"));
  const auto enough = train(R"(["text_hidden_fcs", "embed_tokens"])");
  ASSERT_EQ(enough.code, 0) << enough.err;
  const auto last = read_bundle_options(scratch_ / "run/last");
  EXPECT_TRUE(last.initialised.empty());
  EXPECT_EQ(run_words({"model", "audit", at("run/last")}).code, 0);
}

TEST_F(Guard, AnAuditShowsEveryTensor) {
  auto outcome = run_words({"model", "audit", at("bundle")});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\n  loaded       lm_head.weight\n"));

  initialised({"lm_head.weight[420:423]"});
  auto config = json::parse(read_file(scratch_ / "bundle/config.json"));
  config["model"]["language"]["mlp_width"] = 40;
  config["model"]["vision"]["dinov2"]["layers"] = 2;
  config["model"]["projector"]["type"] = "linear";
  write_file(scratch_ / "bundle/config.json", config.dump());
  outcome = run_words({"model", "audit", at("bundle")});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.out,
              AllOf(HasSubstr("  initialised  lm_head.weight[420:423]\n"),
                    HasSubstr("  missing      model.mm_projector.weight\n"),
                    HasSubstr("  unused       model.mm_projector.0.weight\n"),
                    HasSubstr("  mismatched   model.layers.0.mlp.up_proj.weight: file [48, 32], "
                              "model [40, 32]\n"),
                    HasSubstr("  loaded       lm_head.weight\n")));
  const auto object = json::parse(audit().out);
  EXPECT_THAT(object.at("missing"), Contains("model.mm_projector.weight"));
  EXPECT_THAT(object.at("reason").get<std::string>(), HasSubstr("does not fit config.json"));
}

}  // namespace
}  // namespace medseg
