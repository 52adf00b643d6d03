#include "medseg/models/segmenter.h"

#include <gmock/gmock.h>

#include "golden.h"
#include "medseg/base/error.h"
#include "medseg/models/clip.h"
#include "medseg/models/grounding.h"
#include "medseg/models/llama.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"
#include "support/tiny_segmenter.h"

namespace medseg {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
using Ids = std::vector<std::int64_t>;
constexpr std::int64_t kImage = kImagePlaceId, kNone = kNoLabel, kSeg = 60;

Ids values(const at::Tensor& tensor) {
  const auto flat = tensor.contiguous();
  return {flat.const_data_ptr<std::int64_t>(), flat.const_data_ptr<std::int64_t>() + flat.numel()};
}

/// The golden batch: two dialogues, three images, three [SEG].
DialogueBatch golden_batch(const TensorFile& file) {
  DialogueBatch batch;
  const auto ids = values(file.load("ids")), lengths = values(file.load("lengths"));
  const auto answered = values(file.load("answered"));
  std::size_t begin = 0;
  for (std::size_t d = 0; d < lengths.size(); ++d) {
    const auto length = static_cast<std::size_t>(lengths[d]);
    Ids dialogue(ids.begin() + static_cast<std::ptrdiff_t>(begin),
                 ids.begin() + static_cast<std::ptrdiff_t>(begin + length));
    Ids labels = dialogue, places;
    for (std::size_t i = 0; i < length; ++i) {
      if (dialogue[i] == kSeg) places.push_back(static_cast<std::int64_t>(i));
      if (static_cast<std::int64_t>(i) < answered[d] || dialogue[i] == kImage) labels[i] = kNone;
    }
    begin += length;
    batch.ids.push_back(dialogue);
    batch.labels.push_back(labels);
    batch.seg_positions.push_back(places);
  }
  batch.vision_features = file.load("features");
  return batch;
}

/// Golden values into the parts that the file has; tower and grounding stay as they are.
void load_golden(Segmenter& model, const TensorFile& file) {
  const at::NoGradGuard no_grad;
  std::size_t loaded = 0, in_file = 0;
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (!file.contains("weight." + name)) continue;
    tensor->copy_(file.load("weight." + name));
    ++loaded;
  }
  for (const auto& info : file.tensors()) in_file += info.name.starts_with("weight.") ? 1U : 0U;
  ASSERT_EQ(loaded, in_file);
}

/// [B, T, …] as the original pads it -> [R, …] as we pack it.
at::Tensor unpadded(const at::Tensor& padded, const Spliced& spliced) {
  std::vector<at::Tensor> parts;
  for (std::size_t d = 0; d < spliced.lengths.size(); ++d)
    parts.push_back(padded.select(0, static_cast<std::int64_t>(d)).slice(0, 0, spliced.lengths[d]));
  return at::cat(parts);
}

TEST(Segmenter, SpliceLossPromptsAndGradientsAreThoseOfThePythonWiring) {
  const auto file = golden::open("language/splice.safetensors");
  Segmenter model(tiny_segmenter());
  load_golden(model, *file);
  for (const auto& [name, tensor] : model.named_parameters()) {
    tensor->set_requires_grad(file->contains("weight." + name));
  }
  const auto batch = golden_batch(*file);

  const auto spliced = model.splice(batch);
  EXPECT_TRUE(golden::close(spliced.embeddings[0], unpadded(file->load("embeddings"), spliced)));
  EXPECT_TRUE(at::equal(spliced.labels, unpadded(file->load("labels"), spliced)));
  EXPECT_TRUE(at::equal(spliced.seg_position, file->load("seg_position")));
  EXPECT_TRUE(at::equal(spliced.seg_dialogue, file->load("seg_dialogue")));

  const auto output = model.forward(batch);
  EXPECT_TRUE(golden::close(output.text_loss, file->load("loss")));
  EXPECT_TRUE(golden::close(output.prompts, file->load("prompts")));
  (output.text_loss + (output.prompts * file->load("prompt_gradient")).sum()).backward();
  std::size_t compared = 0;
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (!file->contains("grad." + name)) continue;
    EXPECT_TRUE(golden::close(tensor->grad(), file->load("grad." + name), 2e-5)) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 14U);
}

TEST(Segmenter, BatchEqualsDialoguesOneByOne) {
  const auto file = golden::open("language/splice.safetensors");
  Segmenter model(tiny_segmenter());
  const auto batch = golden_batch(*file);
  const auto together = model.forward(batch);
  std::vector<at::Tensor> prompts;
  at::Tensor loss = at::zeros({});
  std::int64_t image = 0;
  for (std::size_t d = 0; d < batch.ids.size(); ++d) {
    const auto images = std::count(batch.ids[d].begin(), batch.ids[d].end(), kImage);
    const auto alone =
        model.forward({.ids = {batch.ids[d]},
                       .labels = {batch.labels[d]},
                       .seg_positions = {batch.seg_positions[d]},
                       .vision_features = batch.vision_features.narrow(0, image, images)});
    image += images;
    prompts.push_back(alone.prompts);
    loss = loss + alone.text_loss * static_cast<double>(alone.labelled) /
                      static_cast<double>(together.labelled);
  }
  EXPECT_TRUE(golden::close(together.prompts, at::cat(prompts)));
  EXPECT_TRUE(golden::close(together.text_loss, loss));
}

class Splice : public ::testing::Test {
 protected:
  static constexpr std::int64_t kTokens = 4;  // 4×4 patches, merged 2×2
  Spliced splice(const std::vector<Ids>& ids, const std::vector<Ids>& labels,
                 const std::vector<Ids>& segs) {
    std::int64_t images = 0;
    for (const auto& dialogue : ids) images += std::count(dialogue.begin(), dialogue.end(), kImage);
    features_ = at::randn({images, 16, 6});
    return model_.splice(
        {.ids = ids, .labels = labels, .seg_positions = segs, .vision_features = features_});
  }
  Segmenter model_{tiny_segmenter()};
  at::Tensor features_;
};

TEST_F(Splice, ImageInTheMiddleMovesWhatFollows) {
  const auto out = splice({{1, 2, kImage, 3, kSeg}}, {{kNone, kNone, kNone, 3, kSeg}}, {{4}});
  EXPECT_EQ(out.embeddings.sizes(), (Ids{1, 8, 32}));
  EXPECT_TRUE(at::equal(out.embeddings[0].narrow(0, 2, kTokens), model_.project(features_)[0]));
  EXPECT_TRUE(at::equal(out.embeddings[0][6], model_.language().embed_tokens[3]));
  EXPECT_THAT(values(out.labels), ElementsAre(kNone, kNone, kNone, kNone, kNone, kNone, 3, kSeg));
  EXPECT_THAT(values(out.seg_position), ElementsAre(6));  // [SEG] stands at 7
}

TEST_F(Splice, SegBeforeTheImageDoesNotMove) {
  const auto out = splice({{1, kSeg, 5, kImage, kSeg}}, {}, {{1, 4}});
  EXPECT_THAT(values(out.seg_position), ElementsAre(0, 6));
  EXPECT_FALSE(out.labels.defined());
}

TEST_F(Splice, TwoImagesKeepTheirOrder) {
  const auto out = splice({{kImage, 1, kImage}, {2}}, {}, {{}, {}});
  EXPECT_THAT(out.lengths, ElementsAre(9, 1));
  const auto rows = model_.project(features_);
  EXPECT_TRUE(at::equal(out.embeddings[0].narrow(0, 0, 4), rows[0]));
  EXPECT_TRUE(at::equal(out.embeddings[0].narrow(0, 5, 4), rows[1]));
  EXPECT_EQ(out.embeddings.sizes(), (Ids{1, 10, 32}));  // nothing is padded
  EXPECT_TRUE(at::equal(out.embeddings[0][9], model_.language().embed_tokens[2]));
}

TEST_F(Splice, ThreeSegOfTwoDialoguesComeInOrder) {
  const auto out = splice({{kImage, 1, kSeg, kSeg}, {kImage, kSeg}}, {}, {{2, 3}, {1}});
  EXPECT_THAT(values(out.seg_dialogue), ElementsAre(0, 0, 1));
  EXPECT_THAT(values(out.seg_position), ElementsAre(4, 5, 3));
}

TEST_F(Splice, RefusesImagesThatDoNotAddUp) {
  EXPECT_THROW(model_.splice({.ids = {{1, kImage}},
                              .labels = {},
                              .seg_positions = {},
                              .vision_features = at::randn({2, 16, 6})}),
               CheckFailed);
  EXPECT_THROW(
      model_.splice(
          {.ids = {{1, kImage}}, .labels = {}, .seg_positions = {}, .vision_features = {}}),
      CheckFailed);
}

TEST(Segmenter, TheFirstTokenOfADialogueIsNoTargetOfTheOneBefore) {
  Segmenter model(tiny_segmenter());
  const auto output = model.forward({.ids = {{1, 2}, {3, 4}},
                                     .labels = {{kNone, 2}, {3, 4}},
                                     .seg_positions = {},
                                     .vision_features = {}});
  EXPECT_EQ(output.labelled, 2);  // 2 after 1, and 4 after 3
}

TEST(Segmenter, AnswersWithoutSegGiveNoPrompts) {
  Segmenter model(tiny_segmenter());
  const auto output = model.forward({.ids = {{1, 2, 3}},
                                     .labels = {{kNone, 2, 3}},
                                     .seg_positions = {{}},
                                     .vision_features = {}});
  EXPECT_EQ(output.prompts.sizes(), (Ids{0, 8}));
  EXPECT_EQ(output.labelled, 2);
  EXPECT_GT(output.text_loss.item<float>(), 0.0F);
}

TEST(Segmenter, NothingLabelledIsNoLoss) {
  Segmenter model(tiny_segmenter());
  const auto output = model.forward(
      {.ids = {{1, 2}}, .labels = {{kNone, kNone}}, .seg_positions = {}, .vision_features = {}});
  EXPECT_EQ(output.labelled, 0);
  EXPECT_EQ(output.text_loss.item<float>(), 0.0F);
}

TEST(Segmenter, NamesAreThePublishedKeys) {
  const SkipInitialisation skip;
  Segmenter model(tiny_segmenter());
  std::set<std::string> names;
  for (const auto& [name, tensor] : model.named_parameters()) names.insert(name);
  for (const char* name : {"model.embed_tokens.weight", "model.layers.1.self_attn.q_proj.weight",
                           "model.layers.0.mlp.down_proj.weight",
                           "model.layers.0.post_attention_layernorm.weight", "model.norm.weight",
                           "lm_head.weight", "model.vision_tower.vision_tower.embeddings.cls_token",
                           "model.mm_projector.0.weight", "model.mm_projector.2.bias",
                           "model.text_hidden_fcs.0.0.weight", "model.text_hidden_fcs.0.2.bias",
                           "model.grounding_encoder.mask_decoder.mask_tokens.weight"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  auto options = tiny_segmenter();
  options.projector = {.type = ProjectorType::kLinear, .merge = 1};
  options.language.tied_head = true;
  options.grounding.encoder.clear();
  Segmenter other(options);
  names.clear();
  for (const auto& [name, tensor] : other.named_parameters()) names.insert(name);
  EXPECT_TRUE(names.contains("model.mm_projector.weight"));
  EXPECT_FALSE(names.contains("lm_head.weight"));
  EXPECT_FALSE(other.has_grounding());
  EXPECT_EQ(other.image_tokens(), 16);
}

TEST(Segmenter, ListsWhatTrains) {
  Segmenter model(tiny_segmenter());
  EXPECT_TRUE(model.trainable_leaves().empty());
  model.language().split_rows(58);
  model.language().modules_of_type<Linear>().at(0).second->add_adapter(2, 4, 0);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.trainable_leaves()) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("model.layers.0.self_attn.q_proj.lora_A.weight",
                                 "model.layers.0.self_attn.q_proj.lora_B.weight",
                                 "model.embed_tokens.new_rows", "lm_head.new_rows"));
}

TEST(Segmenter, AProjectorOfStandardisedFeaturesIsWrittenForPlainOnes) {
  const at::NoGradGuard no_grad;
  at::manual_seed(4);
  for (const auto type : {ProjectorType::kLinear, ProjectorType::kMlp2xGelu}) {
    auto options = tiny_segmenter();
    options.projector.type = type;
    Segmenter model(options), plain(options);
    const auto& tower = model.vision();
    const auto scale = at::rand({tower.width()}) * 5 + 0.1, offset = at::randn({tower.width()}) * 8;
    const auto features =
        at::randn({2, tower.grid() * tower.grid(), tower.width()}) * scale + offset;
    const auto before = model.project(features);
    model.standardise_vision(offset, scale, /*same_function=*/true);
    EXPECT_LT(golden::relative_error(model.project(features), before), 1e-5) << name_of(type);

    Segmenter fresh(options);
    EXPECT_TRUE(fresh.plain_projector().empty());
    fresh.standardise_vision(offset, scale, /*same_function=*/false);
    const auto seen = fresh.project(features);
    for (const auto& [name, tensor] : fresh.named_parameters()) {
      for (const auto& [target, own] : plain.named_parameters()) {
        if (target == name) own->copy_(*tensor);
      }
    }
    EXPECT_GT(golden::relative_error(plain.project(features), seen), 0.1) << name_of(type);
    const auto written = fresh.plain_projector();
    ASSERT_EQ(written.size(), 2U);
    for (const auto& [name, tensor] : written) {
      for (const auto& [target, own] : plain.named_parameters()) {
        if (target == name) own->copy_(tensor);
      }
    }
    EXPECT_LT(golden::relative_error(plain.project(features), seen), 1e-5) << name_of(type);
  }
}

TEST(Segmenter, RefusesUnknownPartsByName) {
  auto options = tiny_segmenter();
  options.projector.merge = 3;
  EXPECT_THROW(Segmenter model(options), ConfigError);
  const auto read = [](const char* json) {
    return [json] {
      SegmenterOptions unread;
      read_options(nlohmann::json::parse(json), unread);
    };
  };
  EXPECT_THAT(read(R"({"projector": {"type": "mlp"}})"),
              ThrowsMessage<ConfigError>(HasSubstr("projector.type: unknown \"mlp\"")));
  EXPECT_THAT(read(R"({"vision": {"tower": "clap"}})"),
              ThrowsMessage<ConfigError>(
                  AllOf(HasSubstr("vision.tower: unknown \"clap\""), HasSubstr("clip"))));
  EXPECT_THAT(read(R"({"vision": {"clip": {"depth": 2}}})"),
              ThrowsMessage<ConfigError>(HasSubstr("vision.clip.depth: unknown key")));
}

TEST(Segmenter, OptionsOfPartsAreWrittenAndReadBack) {
  SegmenterOptions options = tiny_segmenter();
  EXPECT_EQ(write_options(options.vision).at("tower"), "dinov2");
  EXPECT_EQ(write_options(options.vision).size(), 4U);  // clip, siglip and dinov2 beside the name
  EXPECT_EQ(write_options(options.grounding).at("encoder"), "tiny_vit");
  options.vision.tower.set(ClipOptions{.image_size = 224, .layers = 3});
  options.grounding.encoder.clear();
  SegmenterOptions again;
  read_options(write_options(options), again);
  EXPECT_EQ(again.vision.tower.as<ClipOptions>().layers, 3);
  EXPECT_FALSE(again.grounding.encoder);
  EXPECT_EQ(write_options(again), write_options(options));
}

TEST(Segmenter, TrainsUnderAutocastFromFeaturesInBf16) {
  const auto file = golden::open("language/splice.safetensors");
  Segmenter model(tiny_segmenter());
  load_golden(model, *file);
  model.language().split_rows(59);
  cast_parameters(model.language(), at::kBFloat16, is_frozen_matrix);
  auto batch = golden_batch(*file);
  batch.vision_features = batch.vision_features.to(at::kBFloat16);
  const AutocastScope scope(at::kCPU, at::kBFloat16);
  const auto output = model.forward(batch);
  EXPECT_EQ(output.prompts.scalar_type(), at::kFloat);
  EXPECT_LT(golden::relative_error(output.text_loss, file->load("loss")), 0.05);
  EXPECT_LT(golden::relative_error(output.prompts, file->load("prompts")), 0.1);
  (output.text_loss + output.prompts.sum()).backward();
  EXPECT_TRUE(model.language().new_embed_rows.grad().defined());
}

}  // namespace
}  // namespace medseg
