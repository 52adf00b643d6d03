#include "medseg/training/trained.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

const std::string kDecoder = "model.grounding_encoder.mask_decoder.";

class Trained : public testing::Test {
 protected:
  Trained() {
    options_.model.language.vocabulary = 420;
    options_.initialised = {
        "model.embed_tokens.weight[410:420]",    "lm_head.weight",
        "model.mm_projector.0.weight",           "model.text_hidden_fcs.0.0.weight",
        kDecoder + "mask_tokens.weight",         kDecoder + "iou_prediction_head.layers.0.bias",
        "model.layers.0.self_attn.q_proj.weight"};
  }

  std::vector<std::string> left(const std::vector<std::pair<std::string, std::int64_t>>& trained) {
    std::vector<TrainedParameter> parameters;
    for (const auto& [name, rows] : trained) parameters.push_back({name, at::zeros({rows, 2})});
    return still_initialised(options_, parameters);
  }

  BundleOptions options_;
};

TEST_F(Trained, LeavesWhatDidNotTrainAndNothingElse) {
  EXPECT_EQ(left({}), options_.initialised);
  // An adapter beside a matrix does not train it; of SAM's IoU head the loss knows nothing.
  EXPECT_THAT(left({{"model.embed_tokens.weight", 420},
                    {"lm_head.weight", 420},
                    {"model.mm_projector.0.weight", 1},
                    {"model.mm_projector.0.bias", 1},
                    {"model.layers.0.self_attn.q_proj.lora_A.weight", 1},
                    {kDecoder + "mask_tokens.weight", 1},
                    {kDecoder + "iou_prediction_head.layers.0.bias", 1}}),
              ElementsAre("model.text_hidden_fcs.0.0.weight",
                          kDecoder + "iou_prediction_head.layers.0.bias",
                          "model.layers.0.self_attn.q_proj.weight"));
}

TEST_F(Trained, CountsTokenRowsOneByOne) {
  options_.initialised.resize(2);
  EXPECT_THAT(left({{"model.embed_tokens.new_rows", 10}}), ElementsAre("lm_head.weight"));
  EXPECT_THAT(left({{"model.embed_tokens.new_rows", 20}, {"lm_head.new_rows", 420}}), IsEmpty());
  EXPECT_THAT(left({{"model.embed_tokens.new_rows", 3}, {"lm_head.new_rows", 3}}),
              ElementsAre("model.embed_tokens.weight[410:417]", "lm_head.weight[0:417]"));
  options_.initialised = {"model.embed_tokens.weight[400:405]", "model.embed_tokens.weight[4:"};
  EXPECT_EQ(left({{"model.embed_tokens.new_rows", 3}}), options_.initialised);
}

TEST_F(Trained, RefusesToLeaveAPartUntrained) {
  TrainOptions train;
  train.token_rows = TokenRows::kNew;
  const auto refused = [&](const std::string& name) {
    auto bundle = tiny_bundle();
    bundle.options.initialised = {name};
    choose_trained(bundle, train);
  };
  train.trainable = {"mask_decoder"};
  EXPECT_THAT([&] { refused("model.text_hidden_fcs.0.0.weight"); },
              ThrowsMessage<CheckpointError>(
                  AllOf(HasSubstr("model.text_hidden_fcs.0.0.weight"),
                        HasSubstr("train.trainable leaves them out: add text_hidden_fcs"))));
  EXPECT_THAT([&] { refused("model.mm_projector.2.bias"); },
              ThrowsMessage<CheckpointError>(HasSubstr("add mm_projector")));
  EXPECT_THAT([&] { refused("model.embed_tokens.weight[420:423]"); },
              ThrowsMessage<CheckpointError>(HasSubstr("add embed_tokens")));
  EXPECT_THAT([&] { refused("model.grounding_encoder.prompt_encoder.no_mask_embed.weight"); },
              ThrowsMessage<CheckpointError>(HasSubstr("add prompt_encoder")));
  EXPECT_THAT([&] { refused("model.grounding_encoder.image_encoder.neck.0.weight"); },
              ThrowsMessage<CheckpointError>(HasSubstr("import their weights")));
  EXPECT_NO_THROW(refused(kDecoder + "mask_tokens.weight"));
  EXPECT_NO_THROW(refused(kDecoder + "iou_prediction_head.layers.0.bias"));
  train.trainable = {"embed_tokens"};
  EXPECT_NO_THROW(refused("model.embed_tokens.weight[420:423]"));
  EXPECT_THAT([&] { refused("model.embed_tokens.weight[400:423]"); },
              ThrowsMessage<CheckpointError>(AllOf(HasSubstr("model.embed_tokens.weight[400:420]"),
                                                   HasSubstr("train.token_rows"))));
}

}  // namespace
}  // namespace medseg
