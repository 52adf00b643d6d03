#include "medseg/bundle/bundle.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/bundle/audit.h"
#include "medseg/bundle/thresholds.h"
#include "medseg/models/llama.h"
#include "models/golden.h"
#include "support/tiny_segmenter.h"

namespace medseg {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class Bundle : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("medseg_bundle_") +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    options_.model = tiny_segmenter();
    options_.special_tokens = {{"[SEG]", 60}};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void save(Segmenter& model) { save_bundle(folder_, model, options_, {{"made_by", "a test"}}); }
  std::unique_ptr<Segmenter> load() {
    return load_segmenter(folder_, read_bundle_options(folder_));
  }

  template <class F>
  static std::string refusal(const F& action) {
    try {
      action();
    } catch (const CheckpointError& error) {
      return error.what();
    }
    return "no CheckpointError";
  }

  std::filesystem::path folder_;
  BundleOptions options_;
};

TEST_F(Bundle, ComesBackAsItWas) {
  Segmenter model(options_.model);
  save(model);
  const auto options = read_bundle_options(folder_);
  EXPECT_EQ(write_options(options), write_options(options_));
  const auto again = load();
  auto expected = model.named_parameters(), got = again->named_parameters();
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].first, expected[i].first);
    EXPECT_TRUE(at::equal(*got[i].second, *expected[i].second)) << got[i].first;
  }
  EXPECT_EQ(nlohmann::json::parse(read_file(folder_ / "config.json"))["provenance"]["made_by"],
            "a test");
}

TEST_F(Bundle, HoldsMergedAdaptersAndNewRowsWhileTheModelKeepsItsOwn) {
  Segmenter model(options_.model);
  model.language().split_rows(58);
  for (const auto& [name, layer] : model.language().modules_of_type<Linear>()) {
    if (!name.ends_with("v_proj")) continue;
    layer->add_adapter(2, 4.0, 0.0);
    layer->lora_b.detach().normal_();
  }
  for (const auto& [name, rows] : model.language().trainable_rows()) rows->detach().normal_();
  save(model);
  const auto again = load();
  const auto ids = at::arange(50, 61, at::kLong).unsqueeze(0);
  const auto run = [&](const Segmenter& m) {
    return m.language().logits(m.language().forward(m.language().embed(ids)));
  };
  EXPECT_TRUE(golden::close(run(*again), run(model)));
  EXPECT_TRUE(again->trainable_leaves().empty());
  EXPECT_EQ(model.trainable_leaves().size(), 6U);
}

TEST_F(Bundle, KeepsSmallCorrectionsOfWeightsStoredInBf16) {
  Segmenter model(options_.model);
  auto* layer = model.language().modules_of_type<Linear>().at(0).second;
  cast_parameters(model.language(), at::kBFloat16, is_frozen_matrix);
  layer->add_adapter(1, 1.0, 0.0);
  layer->lora_a.detach().fill_(1.0);
  layer->lora_b.detach().fill_(1e-5);
  save(model);
  const auto merged = load()->language().modules_of_type<Linear>().at(0).second->weight;
  EXPECT_TRUE(
      golden::close(merged - layer->weight.to(at::kFloat), at::full_like(merged, 1e-5), 1e-2));
}

TEST_F(Bundle, StoresATiedHeadOnce) {
  options_.model.language.tied_head = true;
  Segmenter model(options_.model);
  save(model);
  EXPECT_FALSE(open_tensor_file(folder_ / "model.safetensors")->contains("lm_head.weight"));
  EXPECT_TRUE(load()->options().language.tied_head);
}

TEST_F(Bundle, ThatDoesNotFitIsRefusedByNames) {
  Segmenter model(options_.model);
  save(model);
  auto options = read_bundle_options(folder_);
  options.model.language.layers = 3;
  options.model.language.vocabulary = 62;
  options.model.projector.type = ProjectorType::kLinear;
  EXPECT_THAT(refusal([&] { load_segmenter(folder_, options); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("missing"),
                    HasSubstr("model.layers.2.self_attn.q_proj.weight"), HasSubstr("unused: "),
                    HasSubstr("model.mm_projector.0.weight"), HasSubstr("mismatched"),
                    HasSubstr("lm_head.weight"), HasSubstr("…")));
}

TEST_F(Bundle, BadFoldersAreRefused) {
  EXPECT_THAT(refusal([&] { read_bundle_options(folder_); }), HasSubstr("config.json"));
  write_file(folder_ / "config.json", "{\"model_type\": \"llama\"}");
  EXPECT_THAT(refusal([&] { read_bundle_options(folder_); }), HasSubstr("not a bundle"));
  write_file(folder_ / "config.json",
             "{\"format\": \"medseg-bundle-1\", \"model\": {\"langage\": {}}}");
  EXPECT_THAT(refusal([&] { read_bundle_options(folder_); }), HasSubstr("model.langage"));
  write_file(folder_ / "config.json",
             "{\"format\": \"medseg-bundle-1\", \"model\": {\"vision\": {\"tower\": \"clap\"}}}");
  EXPECT_THAT(refusal([&] { read_bundle_options(folder_); }),
              HasSubstr("config.json: model.vision.tower: unknown \"clap\""));
  write_file(folder_ / "config.json", "{\"format\": ");
  EXPECT_THAT(refusal([&] { read_bundle_options(folder_); }), HasSubstr("config.json"));
  EXPECT_THAT(refusal([&] { load_segmenter(folder_, options_); }),
              HasSubstr("no model.safetensors"));
}

TEST_F(Bundle, ThresholdsStandBesideTheRestAndGoWhenItIsSavedAnew) {
  Segmenter model(options_.model);
  save(model);
  EXPECT_FALSE(read_thresholds(folder_).has_value());
  const auto before = write_options(read_bundle_options(folder_));
  store_thresholds(folder_, {0.25, "/data/manifest.jsonl", "val", 0.75, 0.5, 12, 3});
  store_thresholds(folder_, {0.375, "/data/manifest.jsonl", "val", 0.875, 0.5, 12, 3});
  const auto stored = read_thresholds(folder_);
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->mask_score, 0.375);
  EXPECT_EQ(stored->split, "val");
  EXPECT_EQ(stored->references, 12);
  EXPECT_EQ(write_options(read_bundle_options(folder_)), before);
  EXPECT_THAT(read_file(folder_ / "config.json"), HasSubstr("a test"));
  auto config = nlohmann::json::parse(read_file(folder_ / "config.json"));
  config["thresholds"]["mask_score"] = 2;
  write_file(folder_ / "config.json", config.dump());
  EXPECT_THAT(refusal([&] { read_thresholds(folder_); }),
              AllOf(HasSubstr("thresholds.mask_score"), HasSubstr("out of range")));
  save(model);
  EXPECT_FALSE(read_thresholds(folder_).has_value());
  EXPECT_THAT(refusal([&] { store_thresholds(folder_ / "none", {}); }), HasSubstr("not a bundle"));
}

TEST_F(Bundle, UntrainedPartsAreNamed) {
  const std::string decoder = "model.grounding_encoder.mask_decoder.";
  options_.initialised = {"model.text_hidden_fcs.0.0.weight", "model.embed_tokens.weight[60:61]",
                          decoder + "output_hypernetworks_mlps.0.layers.0.bias",
                          decoder + "output_hypernetworks_mlps.1.layers.0.bias",
                          "model.grounding_encoder.prompt_encoder.point_embeddings.2.weight"};
  EXPECT_THAT(refusal([&] { refuse_untrained(options_, folder_); }),
              AllOf(HasSubstr("text_hidden_fcs.0.0.weight"), HasSubstr("[60:61]"),
                    HasSubstr("mlps.0.layers"), ::testing::Not(HasSubstr("mlps.1.layers")),
                    ::testing::Not(HasSubstr("point_embeddings"))));
  EXPECT_THAT(refusal([&] { refuse_untrained(options_, folder_, BundleUse::kBoxPrompts); }),
              AllOf(::testing::Not(HasSubstr("text_hidden_fcs")), HasSubstr("mlps.0.layers"),
                    ::testing::Not(HasSubstr("mlps.1.layers")), HasSubstr("point_embeddings")));
  options_.initialised = {};
  EXPECT_NO_THROW(refuse_untrained(options_, folder_));
}

TEST_F(Bundle, AnAuditTellsWhatBecameOfEveryTensor) {
  Segmenter model(options_.model);
  save(model);
  auto options = read_bundle_options(folder_);
  options.initialised = {"model.text_hidden_fcs.0.0.weight", "model.embed_tokens.weight[60:61]"};
  const auto all = model.named_parameters().size() + model.named_buffers().size();
  auto audit = audit_bundle(folder_, options);
  EXPECT_EQ(audit.loaded.size(),
            all - 1);  // token rows are a part of a matrix that came from a file
  EXPECT_EQ(audit.initialised, options.initialised);
  EXPECT_NO_THROW(refuse_unfit(audit, folder_));

  options.model.language.layers = 3;
  options.model.language.vocabulary = 62;
  options.model.projector.type = ProjectorType::kLinear;
  audit = audit_bundle(folder_, options);
  EXPECT_THAT(audit.missing, ::testing::Contains("model.layers.2.self_attn.q_proj.weight"));
  EXPECT_THAT(audit.unused, ::testing::Contains("model.mm_projector.2.bias"));
  EXPECT_THAT(audit.mismatched, ::testing::Contains(HasSubstr("lm_head.weight: file [61, ")));
  EXPECT_THAT(
      refusal([&] { refuse_unfit(audit, folder_); }),
      AllOf(HasSubstr("model.safetensors: does not fit config.json"),
            HasSubstr("model.layers.2.self_attn.q_proj.weight"), HasSubstr("lm_head.weight")));
}

}  // namespace
}  // namespace medseg
