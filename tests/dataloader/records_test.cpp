#include "medseg/dataloader/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/dataloader/batch_maker.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class Records : public testing::Test {
 protected:
  Records() {
    set_quiet(true);
    options_.train = {{write_tiny_data(scratch_ / "data").string(), "train", 1.0}};
  }

  TempFolder scratch_{"records"};
  OpenBundle bundle_ = tiny_bundle();
  DataOptions options_;
};

TEST_F(Records, EachDialogueIsRenderedWithItsRecord) {
  const TrainingRecords records(options_, bundle_);
  ASSERT_EQ(records.size(), 2U);
  for (const auto& record : records) {
    const auto dialogue = render_record(*record.record, bundle_);
    EXPECT_EQ(record.dialogue.ids, dialogue.ids);
    EXPECT_EQ(record.dialogue.labels, dialogue.labels);
    EXPECT_EQ(record.dialogue.seg_positions, dialogue.seg_positions);
    EXPECT_EQ(record.tokens, sequence_length(dialogue, *bundle_.model));
    EXPECT_EQ(record.masks, 1);
    EXPECT_GT(record.labelled, 0);
    EXPECT_EQ(record.targets, std::vector<std::string>{"skull"});
  }
}

TEST_F(Records, TooLongIsRefusedWithItsLineOrDropped) {
  const auto length = TrainingRecords(options_, bundle_)[0].tokens;
  options_.max_tokens = length;
  EXPECT_NO_THROW(TrainingRecords(options_, bundle_));
  options_.max_tokens = length - 1;
  EXPECT_THAT([&] { TrainingRecords(options_, bundle_); },
              ThrowsMessage<DataError>(HasSubstr("manifest.jsonl:1: ")));
  options_.long_records = LongRecords::kDrop;
  EXPECT_EQ(TrainingRecords(options_, bundle_).size(), 0U);
}

TEST_F(Records, ABatchWhoseFeaturesAreKnownNeedsNoSecondStep) {
  TrainingSet data(options_, bundle_);
  FeatureCache cache(*bundle_.model, bundle_.options, at::kFloat, 1 << 24);
  const BatchMaker batches(data, cache, 0);
  auto cold = batches.load({{0, 0}, {1, 0}});
  ASSERT_TRUE(std::holds_alternative<std::vector<Sample>>(cold.content));
  const auto first = batches.complete(std::move(cold));
  auto warm = batches.load({{0, 0}, {1, 0}});
  ASSERT_TRUE(std::holds_alternative<TrainingBatch>(warm.content));
  const auto second = batches.complete(std::move(warm));
  EXPECT_EQ(first.ids, (std::vector<std::string>{"train-1", "train-2"}));
  EXPECT_EQ(first.tokens, data.records[0].tokens + data.records[1].tokens);
  EXPECT_EQ(first.masks, 2);
  EXPECT_EQ(second.tokens, first.tokens);
  EXPECT_TRUE(at::equal(second.image_embeddings, first.image_embeddings));
  EXPECT_EQ(cache.counts().computed, 2U);
}

TEST_F(Records, AFaultIsNotedWithThePartThatFailed) {
  options_.on_bad_sample = OnBadSample::kQuarantine;
  std::filesystem::remove(scratch_ / "data/masks/slice-1.png");
  std::filesystem::remove(scratch_ / "data/images/slice-2.png");
  TrainingSet data(options_, bundle_);
  FeatureCache cache(*bundle_.model, bundle_.options, at::kFloat, 1 << 24);
  EXPECT_THAT(
      [&] {
        BatchMaker(data, cache, 0).load({{0, 0}});
      },
      ThrowsMessage<DataError>(HasSubstr("of the 2 records of its source none can be read")));
  const auto bad = data.bad.list();
  ASSERT_EQ(bad.size(), 2U);
  EXPECT_EQ(bad[0].part, RecordPart::kMasks);
  EXPECT_THAT(bad[0].why, testing::StartsWith("masks.m0: "));
  EXPECT_EQ(bad[1].part, RecordPart::kImage);
  EXPECT_TRUE(data.bad.has_bad_image(1));
  EXPECT_FALSE(data.bad.has_bad_image(0));
}

}  // namespace
}  // namespace medseg
