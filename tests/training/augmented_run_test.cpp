// Augmented records in batches and in runs.
#include <set>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/dataloader/batch_maker.h"
#include "medseg/dataloader/feature_filling.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

class AugmentedRun : public TinyRun {
 protected:
  static AugmentOptions everything() {
    return {.share = 0.7,
            .flip = 0.5,
            .rotate = 10,
            .scale = 0.1,
            .shift = 0.1,
            .brightness = 0.1,
            .contrast = 0.2,
            .gamma = 0.2,
            .noise = 0.02};
  }

  void run(const TrainConfig& options, const std::string& name, bool resume = false) const {
    train(options, {.out = root_ / name, .resume = resume, .command = "test"});
  }

  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"})
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file)) << file;
  }
};

TEST_F(AugmentedRun, AVisitIsTheSameWheneverItIsLoaded) {
  const auto bundle = open_bundle(root_ / "start");
  auto options = config().data;
  options.augment = everything();
  options.augment.share = 1;
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 20);
  TrainingSet set(options, bundle);
  const BatchMaker data(set, cache, 3), again(set, cache, 3), other(set, cache, 4);
  const auto masks = [&](const BatchMaker& batches, const Draw& draw) {
    auto loaded = batches.load({draw});
    EXPECT_TRUE(std::get<std::vector<Sample>>(loaded.content).at(0).augmented);
    const auto batch = batches.complete(std::move(loaded));
    return std::pair(batch.truths.at(0).masks, batch.image_embeddings);
  };
  const auto first = masks(data, {0, 0}), second = masks(data, {0, 1});
  EXPECT_FALSE(at::equal(first.second, second.second));
  masks(again, {4, 2});
  const auto repeated = masks(again, {0, 0});
  EXPECT_TRUE(at::equal(first.first, repeated.first));
  EXPECT_TRUE(at::equal(first.second, repeated.second));
  EXPECT_FALSE(at::equal(first.second, masks(other, {0, 0}).second));
  const auto counts = cache.counts();
  EXPECT_GT(counts.augmented, 0U);
  EXPECT_EQ(counts.from_memory + counts.bytes_in_memory, 0U);  // none is looked for or kept
  EXPECT_NO_THROW(fill_features(set, cache));
  EXPECT_EQ(cache.counts().computed, counts.computed);
}

TEST_F(AugmentedRun, WhatIsNotAugmentedUsesTheCache) {
  const auto bundle = open_bundle(root_ / "start");
  auto options = config().data;
  options.augment = everything();
  options.augment.share = 0.5;
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 20);
  TrainingSet data(options, bundle);
  const BatchMaker batches(data, cache, 3);
  fill_features(data, cache);
  EXPECT_EQ(cache.counts().computed, 6U);
  std::uint64_t plain = 0;
  for (std::uint64_t v = 0; v < 40; ++v) {
    auto loaded = batches.load({{1, v}});
    plain += std::holds_alternative<TrainingBatch>(loaded.content);
    batches.complete(std::move(loaded));
  }
  EXPECT_EQ(cache.counts().computed - cache.counts().augmented, 6U);
  EXPECT_EQ(cache.counts().from_memory, plain);
  EXPECT_GT(plain, 10U);
  EXPECT_LT(plain, 30U);
}

TEST_F(AugmentedRun, ThreadsAndTheCacheChangeNothing) {
  auto options = config();
  options.data.augment = everything();
  options.train.batch_size = 2;
  options.train.steps = 5;
  options.data.workers = 0;
  run(options, "a");
  options.data.workers = 3;
  run(options, "b");
  options.data.cache_gb = 0;
  run(options, "c");
  expect_same("a", "b");
  expect_same("a", "c");
  options.data.augment = {};
  run(options, "plain");
  EXPECT_NE(metrics("a"), metrics("plain"));
}

TEST_F(AugmentedRun, WithEveryWayOfFeedingTwoHalvesAreTheWhole) {
  fs::resize_file(root_ / "data/p2.png", 60);
  write_data(root_ / "other");
  fs::remove(root_ / "other/p4-m.png");
  for (const std::string mixing : {"concatenate", "weights", "temperature"}) {
    auto options = config();
    options.data.train.push_back({(root_ / "other/manifest.jsonl").string(), "train", 0.4});
    options.data.mixing = choice_named<Mixing>("", mixing);
    options.data.group_by_length = true;
    options.data.augment = everything();
    options.data.on_bad_sample = OnBadSample::kQuarantine;
    options.data.balance = 0.5;
    options.data.workers = 3;
    options.train.precision = Precision::kBf16;
    options.train.batch_size = 3;
    options.train.accumulation = 2;
    options.train.lora.dropout = 0.1;
    options.train.replay = {.masks = 2, .memory = 2};
    options.train.steps = 5;
    options.train.schedule.total_steps = 5;
    const std::string whole = mixing + "-whole", halves = mixing + "-halves";
    run(options, whole);
    options.data.workers = 1;
    options.train.steps = 2;
    run(options, halves);
    options.train.steps = 5;
    options.data.workers = 0;
    run(options, halves, true);
    expect_same(whole, halves);
    EXPECT_EQ(read_file(root_ / whole / "quarantine.jsonl"),
              read_file(root_ / halves / "quarantine.jsonl"));
  }
}

}  // namespace
}  // namespace medseg::tiny
