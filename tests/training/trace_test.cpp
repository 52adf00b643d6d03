#include "medseg/training/trace.h"

#include <map>

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "medseg/models/llama.h"
#include "models/golden.h"
#include "support/golden_bundle.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;
using Named = std::map<std::string, at::Tensor>;

Named by_name(const Trace& trace) { return {trace.begin(), trace.end()}; }

std::vector<std::string> names_with(const Named& traced, const std::string& prefix) {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : traced) {
    if (name.starts_with(prefix)) names.push_back(name);
  }
  return names;
}

class GoldenTrace : public testing::TestWithParam<std::string> {};

// Every tensor, loss, gradient and the greedy answer of a complete model against the Python
// originals.
TEST_P(GoldenTrace, IsThatOfThePythonOriginals) {
  at::set_num_threads(1);
  const TempFolder scratch("golden-trace");
  copy_golden_bundle(GetParam(), scratch / "bundle");
  auto bundle = open_bundle(scratch / "bundle");
  const auto file = golden::open("trace/" + GetParam() + ".safetensors");
  TraceOptions options;
  options.generate = 8;
  double largest_gradient = 0;
  for (const auto& info : file->tensors()) {
    if (!info.name.starts_with("grad.")) continue;
    options.gradients.push_back(info.name.substr(5));
    largest_gradient = std::max(largest_gradient, file->load(info.name).abs().max().item<double>());
  }
  const auto manifest = Manifest::read(golden_manifest());
  const auto& record = *manifest.find("two-turns");
  const auto traced = by_name(trace_record(bundle, manifest, record, options));
  EXPECT_EQ(traced.size(), file->tensors().size());
  // The kernels that answer, which are not autograd's, keep the promise too.
  for (const auto& [name, tensor] : trace_record(bundle, manifest, record, {})) {
    const auto expected = file->load(name);
    if (expected.is_floating_point()) EXPECT_TRUE(golden::close(tensor, expected, 2e-5)) << name;
  }
  for (const auto& info : file->tensors()) {
    ASSERT_TRUE(traced.contains(info.name)) << info.name;
    const auto& got = traced.at(info.name);
    const auto expected = file->load(info.name);
    if (expected.scalar_type() == at::kLong) {
      EXPECT_TRUE(at::equal(got, expected)) << info.name << " " << got;
    } else if (!info.name.starts_with("grad.")) {
      EXPECT_TRUE(golden::close(got, expected, 2e-5)) << info.name;
    } else if (expected.abs().max().item<double>() < 1e-5 * largest_gradient) {
      EXPECT_LT(got.abs().max().item<double>(), 2e-5 * largest_gradient) << info.name;
    } else {
      EXPECT_TRUE(golden::close(got, expected, 1e-4)) << info.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Bundles, GoldenTrace, testing::Values("dinov2", "clip"),
                         [](const auto& bundle) { return bundle.param; });

class TraceTest : public testing::Test {
 protected:
  Named record(const std::string& id, const TraceOptions& options = {}) {
    return by_name(trace_record(bundle_, manifest_, *manifest_.find(id), options));
  }
  Named question(const std::string& answer, const TraceOptions& options = {}) {
    return by_name(trace_question(bundle_, picture_, "What protects it?", answer, options));
  }
  void leave_language() {  // no vision tower, no grounding part, the same words
    auto options = bundle_.options;
    options.model.vision.tower.clear();
    options.model.grounding.encoder.clear();
    auto model = std::make_unique<Segmenter>(options.model);
    bundle_.options = options;
    bundle_.model = std::move(model);
  }

  TempFolder scratch_{"trace"};
  OpenBundle bundle_ = tiny_bundle();
  Manifest manifest_ = Manifest::read(write_tiny_data(scratch_ / "data"));
  std::optional<Image> picture_ = tiny_picture(32, 24, 2);
};

TEST_F(TraceTest, AQuestionIsTracedAsItsRecordIsButForTheLosses) {
  const auto one = record("test-1");
  const auto same = question("The <p> skull </p> [SEG] does.");
  for (const auto& [name, tensor] : one) {
    if (name.starts_with("loss.")) continue;
    ASSERT_TRUE(same.contains(name)) << name;
    EXPECT_TRUE(at::equal(same.at(name), tensor)) << name;
  }
  EXPECT_TRUE(names_with(same, "loss.").empty());
  EXPECT_EQ(names_with(one, "loss.").size(), 4U);
  const auto ids = one.at("tokens.input_ids");
  const auto spliced = ids.size(0) + bundle_.model->image_tokens() - 1;
  EXPECT_EQ(one.at("language.logits").sizes(),
            (std::vector<std::int64_t>{1, spliced, bundle_.options.model.language.vocabulary}));
  EXPECT_EQ(one.at("mask.logits").sizes(), (std::vector<std::int64_t>{1, 24, 32}));
  const auto place = one.at("seg.positions").item<std::int64_t>();
  EXPECT_TRUE(at::equal(one.at("language.hidden")[0][place], one.at("seg.hidden")[0]));
  // Where the image is written as one place, the state in front of [SEG] stands image tokens - 1
  // further left.
  EXPECT_EQ(ids[place - bundle_.model->image_tokens() + 2].item<std::int64_t>(),
            bundle_.options.special_tokens.at("[SEG]"));
}

TEST_F(TraceTest, WithoutSegNothingAboutItIsThere) {
  for (const auto& traced : {question("No."), question("")}) {
    EXPECT_TRUE(names_with(traced, "seg.").empty());
    EXPECT_EQ(names_with(traced, "grounding."),
              std::vector<std::string>{"grounding.image_embedding"});
    EXPECT_FALSE(traced.contains("mask.logits"));
  }
  const auto open = question("").at("tokens.labels");
  EXPECT_TRUE(at::equal(open, at::full_like(open, kIgnoreLabel)));
}

TEST_F(TraceTest, ARecordWithoutMasksHasNoMaskLoss) {
  const auto& whole = *manifest_.find("test-2");
  Record record = whole;
  record.turns = {whole.turns[1]};
  record.turns[0].question = "<image>\n" + record.turns[0].question;
  const auto traced = by_name(trace_record(bundle_, manifest_, record, {}));
  EXPECT_EQ(traced.at("loss.bce").item<float>(), 0.0F);
  EXPECT_EQ(traced.at("loss.dice").item<float>(), 0.0F);
  EXPECT_EQ(traced.at("loss.total").item<float>(), traced.at("loss.ce").item<float>());
  EXPECT_TRUE(names_with(traced, "seg.").empty());
}

TEST_F(TraceTest, ALanguageModelHasWordsOnly) {
  leave_language();
  picture_.reset();
  const auto traced = question("It does.", {.gradients = {}, .generate = 3});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : traced) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"generate.ids", "language.hidden", "language.logits",
                                             "tokens.input_ids", "tokens.labels"}));
  EXPECT_EQ(traced.at("language.hidden").size(1), traced.at("tokens.input_ids").size(0));
  EXPECT_THAT([&] { record("test-1"); }, ThrowsMessage<DataError>(HasSubstr("no vision tower")));
}

TEST_F(TraceTest, PatternsChooseGradientsEncodersIncluded) {
  const std::string neck = "model.grounding_encoder.image_encoder.neck.0.weight";
  const auto traced =
      record("test-1", {.gradients = {"model.text_hidden_fcs.*", neck}, .generate = 0});
  EXPECT_EQ(names_with(traced, "grad.").size(), 5U);
  EXPECT_GT(traced.at("grad." + neck).abs().max().item<double>(), 0.0);
  EXPECT_TRUE(traced.contains("grad.model.text_hidden_fcs.0.2.bias"));
}

TEST_F(TraceTest, TheLossReachesNoOtherMaskOfSam) {
  const auto traced = record(
      "test-1", {.gradients = {"*output_hypernetworks_mlps.[01].layers.0.bias"}, .generate = 0});
  EXPECT_EQ(names_with(traced, "grad.").size(), 1U);
}

TEST_F(TraceTest, WhatCannotBeAskedIsSaid) {
  EXPECT_THAT([&] { record("test-1", {.gradients = {"model.text_hidden_fcx.*"}, .generate = 0}); },
              ThrowsMessage<ConfigError>(HasSubstr("did you mean \"text_hidden_fcs\"?")));
  EXPECT_THAT([&] { question("No.", {.gradients = {"lm_head*"}, .generate = 0}); },
              ThrowsMessage<ConfigError>(HasSubstr("--gradients: needs --data")));
  picture_.reset();
  EXPECT_THAT([&] { question("No."); }, ThrowsMessage<ConfigError>(HasSubstr("--image")));
}

TEST_F(TraceTest, MatricesStoredInBf16AreWidenedFirst) {
  cast_parameters(bundle_.model->language(), at::kBFloat16, is_frozen_matrix);
  const auto traced = record("test-1", {.gradients = {"lm_head.weight"}, .generate = 2});
  EXPECT_EQ(bundle_.model->language().head.scalar_type(), at::kFloat);
  for (const auto& [name, tensor] : traced) {
    EXPECT_TRUE(tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kLong) << name;
  }
}

TEST_F(TraceTest, ThePassChangesNothingOfTheModel) {
  const auto before = record("test-1");
  const auto other = record("test-1", {.gradients = {"*"}, .generate = 2});
  for (const auto& [name, tensor] : record("test-1")) {
    EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
    EXPECT_TRUE(golden::close(other.at(name), tensor, 1e-4)) << name;  // autograd's own kernels
  }
}

}  // namespace
}  // namespace medseg
