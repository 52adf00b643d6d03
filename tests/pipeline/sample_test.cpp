#include "medseg/pipeline/sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/models/llama.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr std::uint64_t kPlenty = 1 << 24;

TEST(Sample, HoldsOneMaskAndOneTargetForEachSeg) {
  const TempFolder scratch("sample");
  const auto bundle = tiny_bundle();
  const auto manifest = Manifest::read(write_tiny_data(scratch / "data"));
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, kPlenty);
  Sample sample = read_sample(manifest, *manifest.find("test-2"), bundle);
  EXPECT_EQ(sample.features, nullptr) << "no encoder runs while a record is read";
  compute_features(sample, cache);
  EXPECT_EQ(sample.image.pixels, tiny_picture(32, 24, 2).pixels);
  ASSERT_EQ(sample.masks.size(), 1U);
  EXPECT_EQ(sample.masks[0], tiny_mask(32, 24, 2));
  EXPECT_EQ(sample.targets, std::vector<std::string>{"skull"});
  EXPECT_EQ(sample.dialogue.answers.size(), 2U);
  EXPECT_EQ(sample.dialogue.ids[static_cast<std::size_t>(sample.dialogue.seg_positions.at(0))],
            bundle.options.special_tokens.at("[SEG]"));
  EXPECT_EQ(sample.features->vision.sizes(), (std::vector<std::int64_t>{16, 6}));
  EXPECT_EQ(sample.features->frame.image_width, 32);
  EXPECT_EQ(sample.features->frame.resized_height, 48);
}

TEST(Sample, ImageTokensCountInItsLength) {
  const TempFolder scratch("long");
  const auto bundle = tiny_bundle();
  const auto manifest = Manifest::read(write_tiny_data(scratch / "data"));
  const auto dialogue = render_record(*manifest.find("train-2"), bundle);
  EXPECT_EQ(sequence_length(dialogue, *bundle.model),
            static_cast<std::int64_t>(dialogue.ids.size()) + 3);  // 4 tokens for one placeholder
}

TEST(Sample, AFaultTellsItsPartAndItsLine) {
  const TempFolder scratch("fault");
  const auto bundle = tiny_bundle();
  const auto manifest = Manifest::read(write_tiny_data(scratch / "data"));
  const auto expect_fault = [&](const Record& record, RecordPart part, const std::string& what) {
    try {
      read_sample(manifest, record, bundle);
      ADD_FAILURE() << "no error";
    } catch (const RecordError& error) {
      EXPECT_EQ(error.part(), part);
      EXPECT_THAT(error.what(), HasSubstr("manifest.jsonl:2: " + what));
    }
  };
  auto record = *manifest.find("train-2");
  record.turns[0].masks.clear();
  expect_fault(record, RecordPart::kDialogue, "[SEG] count 1, masks 0");
  record = *manifest.find("train-2");
  std::filesystem::remove(scratch / "data/masks/slice-2.png");
  expect_fault(record, RecordPart::kMasks, "masks.m0: ");
  std::filesystem::remove(scratch / "data/images/slice-2.png");
  expect_fault(record, RecordPart::kImage, "");
}

TEST(Sample, AnImageIsHashedOnceAndAnAugmentedOneNever) {
  const TempFolder scratch("hashed");
  const auto bundle = tiny_bundle();
  const auto manifest = Manifest::read(write_tiny_data(scratch / "data"));
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, kPlenty);
  Sample sample = read_sample(manifest, *manifest.find("train-1"), bundle);
  find_features(sample, cache);
  EXPECT_EQ(sample.features, nullptr);
  ASSERT_TRUE(sample.key.has_value());
  EXPECT_EQ(sample.key->text, key_of(sample.image).text);
  compute_features(sample, cache);
  EXPECT_EQ(cache.find(*sample.key), sample.features);

  Sample augmented = read_sample(manifest, *manifest.find("train-1"), bundle);
  augmented.augmented = true;
  find_features(augmented, cache);
  EXPECT_EQ(augmented.features, nullptr) << "not looked up, though the cache has these pixels";
  EXPECT_FALSE(augmented.key.has_value());
  compute_features(augmented, cache);
  EXPECT_EQ(cache.counts().augmented, 1U);
  EXPECT_TRUE(at::equal(augmented.features->vision, sample.features->vision));
}

TEST(Sample, BatchKeepsOrderAndStacksPictures) {
  const TempFolder scratch("batch");
  const auto bundle = tiny_bundle();
  const auto manifest = Manifest::read(write_tiny_data(scratch / "data"));
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, kPlenty);
  Sample a = read_sample(manifest, *manifest.find("train-1"), bundle);
  Sample b = read_sample(manifest, *manifest.find("test-2"), bundle);
  for (Sample* sample : {&a, &b}) compute_features(*sample, cache);
  const auto batch = make_batch({&a, &b});
  EXPECT_EQ(batch.ids[1], b.dialogue.ids);
  EXPECT_EQ(batch.seg_positions[0], a.dialogue.seg_positions);
  EXPECT_TRUE(at::equal(batch.vision_features[1], b.features->vision));
  EXPECT_EQ(bundle.model->forward(batch).prompts.size(0), 2);
}

TEST(FeatureCache, RunsTheEncodersOnceAPicture) {
  const auto bundle = tiny_bundle();
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, kPlenty);
  const auto first = cache.get(tiny_picture(32, 24));
  EXPECT_EQ(cache.get(tiny_picture(32, 24)), first);
  cache.get(tiny_picture(24, 32));
  EXPECT_EQ(cache.counts().from_memory, 1U);
  EXPECT_EQ(cache.counts().computed, 2U);
  EXPECT_FALSE(first->vision.is_inference()) << "training must be able to read it";
}

TEST(FeatureCache, LetsTheOldestGo) {
  const auto bundle = tiny_bundle();
  const auto one = encode_image(tiny_picture(32, 24), *bundle.model, bundle.options, at::kFloat);
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat,
                     2 * (one.vision.nbytes() + one.grounding.nbytes()));
  cache.get(tiny_picture(32, 24, 0));
  cache.get(tiny_picture(32, 24, 1));
  cache.get(tiny_picture(32, 24, 0));
  cache.get(tiny_picture(32, 24, 2));  // slice 1 goes
  cache.get(tiny_picture(32, 24, 0));
  EXPECT_EQ(cache.counts().from_memory, 2U);
  cache.get(tiny_picture(32, 24, 1));
  EXPECT_EQ(cache.counts().computed, 4U);
}

TEST(FeatureCache, StoresBf16WhenAsked) {
  const auto bundle = tiny_bundle();
  const auto exact = encode_image(tiny_picture(32, 24), *bundle.model, bundle.options, at::kFloat);
  const auto half =
      encode_image(tiny_picture(32, 24), *bundle.model, bundle.options, at::kBFloat16);
  EXPECT_EQ(half.grounding.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(half.vision.to(at::kFloat), exact.vision, 0.1, 0.1));
}

class OpenBundleTest : public testing::Test {
 protected:
  void save() { save_tiny_bundle(bundle_, scratch_ / "bundle"); }
  void expect_refused(const std::string& what) {
    save();
    EXPECT_THAT([&] { open_bundle(scratch_ / "bundle"); },
                ThrowsMessage<CheckpointError>(HasSubstr(what)));
  }

  TempFolder scratch_{"open"};
  OpenBundle bundle_ = tiny_bundle();
};

TEST_F(OpenBundleTest, OpensWhatWasSaved) {
  save();
  const auto opened = open_bundle(scratch_ / "bundle");
  EXPECT_EQ(opened.tokenizer->fingerprint(), bundle_.tokenizer->fingerprint());
  EXPECT_EQ(opened.conversation().name, "chatml");
  EXPECT_TRUE(at::equal(opened.model->language().head, bundle_.model->language().head));
}

TEST_F(OpenBundleTest, RefusesAnotherTokenizer) {
  bundle_.options.tokenizer_fingerprint = "0123456789abcdef";
  expect_refused("fingerprint");
}

TEST_F(OpenBundleTest, RefusesASegTokenOfAnotherId) {
  bundle_.options.special_tokens["[SEG]"] = 17;
  expect_refused("[SEG] is id");
}

TEST_F(OpenBundleTest, RefusesATokenThatIsMissing) {
  bundle_.options.special_tokens["<im_start>"] = 17;
  expect_refused("no token <im_start>");
}

TEST_F(OpenBundleTest, RefusesAGroundingPartWithoutSeg) {
  bundle_.options.special_tokens.erase("[SEG]");
  expect_refused("no [SEG]");
}

TEST_F(OpenBundleTest, RefusesAnUnknownTemplate) {
  bundle_.options.conversation = "chatmll";
  expect_refused("did you mean \"chatml\"");
}

TEST_F(OpenBundleTest, RefusesAFolderThatIsNone) {
  EXPECT_THROW(open_bundle(scratch_ / "nothing"), CheckpointError);
}

}  // namespace
}  // namespace medseg
