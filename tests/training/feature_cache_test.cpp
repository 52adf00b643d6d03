// Frozen features in a training run: where they come from changes nothing but how often the
// encoders run.
#include <cmath>
#include <csignal>
#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/dataloader/mask_targets.h"
#include "medseg/dataloader/training_set.h"
#include "medseg/models/vision_tower.h"
#include "medseg/training/trainer.h"
#include "support/child_process.h"
#include "tiny_run.h"

extern char** environ;

namespace medseg::tiny {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t kPictures = 8;  ///< of the tiny data: six to train on, two to validate

class CachedRun : public TinyRun {
 protected:
  TrainRequest to(const std::string& run, bool resume = false) const {
    return {.out = root_ / run, .resume = resume, .command = "test"};
  }

  /// Three epochs with all that asks for features: statistics, steps, replay, evaluations.
  TrainConfig three_epochs() const {
    auto options = config();
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
    options.data.workers = 2;
    options.train.trainable.push_back("mm_projector");
    options.train.standardise_vision = true;
    options.train.batch_size = 2;
    options.train.steps = 9;
    options.train.replay = {.masks = 2, .pool = 2};
    options.train.evaluate_every = 4;
    return options;
  }

  TrainConfig kept_in(const std::string& folder, double gigabytes = 4.0) const {
    auto options = three_epochs();
    options.data.cache_dir = (root_ / folder).string();
    options.data.cache_gb = gigabytes;
    return options;
  }

  nlohmann::json features_of(const std::string& run) const {
    return nlohmann::json::parse(read_file(root_ / run / "run.json")).at("features");
  }
  static std::uint64_t count(const nlohmann::json& features, const char* key) {
    return features.at(key).get<std::uint64_t>();
  }

  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"})
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file)) << file;
  }

  std::string fault(const TrainConfig& options, const std::string& run, bool resume = false) const {
    try {
      train(options, to(run, resume));
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }
};

TEST_F(CachedRun, AWarmFolderRunsNoEncoderAndChangesNoBit) {
  auto plain = three_epochs();
  plain.data.cache_gb = 0;
  train(plain, to("plain"));
  train(kept_in("kept"), to("cold"));
  train(kept_in("kept"), to("warm"));
  expect_same("plain", "cold");
  expect_same("plain", "warm");

  const auto without = features_of("plain"), cold = features_of("cold"), warm = features_of("warm");
  EXPECT_GT(count(without, "computed"), 2 * kPictures);
  EXPECT_EQ(count(cold, "computed"), kPictures);
  EXPECT_EQ(count(cold, "written"), kPictures);
  EXPECT_EQ(count(cold, "from_disk"), 0U);
  EXPECT_EQ(count(warm, "computed"), 0U);
  EXPECT_EQ(count(warm, "from_disk"), kPictures);
  EXPECT_EQ(count(warm, "bytes_read"), count(cold, "bytes_written"));
  EXPECT_EQ(count(warm, "bytes_in_memory"), count(cold, "bytes_in_memory"));
  EXPECT_THAT(read_file(root_ / "warm/log.txt"), HasSubstr("features: kept in "));
}

TEST_F(CachedRun, FromTheSecondEpochTheFolderIsEnough) {
  auto plain = three_epochs();
  train(plain, to("plain"));
  for (const double gigabytes : {0.0, 3e-5}) {  // no memory, and room for some of the pictures
    const auto run = str_cat("limit-", gigabytes);
    train(kept_in(run + "-kept", gigabytes), to(run));
    expect_same("plain", run);
    EXPECT_EQ(count(features_of(run), "computed"), kPictures);
    EXPECT_GT(count(features_of(run), "from_disk"), kPictures);
  }
}

TEST_F(CachedRun, StorageIsPartOfTheNumbersAndMemoryIsNot) {
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {"fp32", "bf16"}, {"fp32", "fp16"}, {"bf16", "fp32"}, {"bf16", "fp16"}, {"fp16", "bf16"}};
  for (const auto& [precision, dtype] : kinds) {
    SCOPED_TRACE(precision + " " + dtype);
    const auto name = precision + "-" + dtype;
    auto options = kept_in(name);
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.scaler.init_scale = 256;
    options.data.cache_dtype = choice_named<CacheDtype>("", dtype);
    train(options, to(name + "-cold"));
    train(options, to(name + "-warm"));
    expect_same(name + "-cold", name + "-warm");
    options.data.cache_dir = "";
    options.data.cache_gb = 0;
    train(options, to(name + "-none"));
    expect_same(name + "-cold", name + "-none");
    for (const auto& line : metrics(name + "-cold")) {
      if (line.contains("loss")) EXPECT_TRUE(std::isfinite(line["loss"].get<double>()));
    }
  }
  auto exact = kept_in("exact");
  train(exact, to("exact-run"));
  EXPECT_NE(metrics("exact-run"), metrics("fp32-bf16-cold"));
  const auto wide = count(features_of("exact-run"), "bytes_in_memory");
  EXPECT_EQ(2 * count(features_of("fp32-bf16-cold"), "bytes_in_memory"), wide);
}

TEST_F(CachedRun, AChangedBundleComputesItsOwn) {
  train(kept_in("kept"), to("a"));
  at::manual_seed(8);
  auto bundle = open_bundle(root_ / "start");
  {
    const at::NoGradGuard no_grad;
    bundle.model->vision().named_parameters().back().second->add_(0.25);
  }
  fs::remove_all(root_ / "start");
  AtomicFolder changed(root_ / "start");
  save_bundle(changed.path(), *bundle.model, bundle.options, {});
  bundle.tokenizer->save(changed.path());
  changed.commit();
  train(kept_in("kept"), to("b"));
  EXPECT_EQ(count(features_of("b"), "computed"), kPictures);
  train(kept_in("kept"), to("c"));
  EXPECT_EQ(count(features_of("c"), "computed"), 0U);
}

TEST_F(CachedRun, AResumedRunMayNameAnotherFolderButNotAnotherDtype) {
  auto options = kept_in("kept");
  train(options, to("whole"));
  options.train.steps = 5;
  options.train.schedule.total_steps = 9;
  train(options, to("halves"));
  options.train.steps = 9;
  auto narrow = options;
  narrow.data.cache_dtype = CacheDtype::kBf16;
  EXPECT_THAT(fault(narrow, "halves", true), HasSubstr("data.cache_dtype: \"bf16\""));
  options.data.cache_dir = (root_ / "elsewhere").string();
  EXPECT_EQ(fault(options, "halves", true), "");
  EXPECT_EQ(read_file(root_ / "whole/last/model.safetensors"),
            read_file(root_ / "halves/last/model.safetensors"));
}

TEST_F(CachedRun, RefusesWhatCannotBeMeantBeforeAnythingIsMade) {
  auto options = kept_in("kept");
  auto json = write_options(options);
  json["data"]["cache_dtype"] = "bf61";
  EXPECT_THAT([&] { read_train_config(json); },
              ::testing::ThrowsMessage<ConfigError>(
                  HasSubstr("data.cache_dtype: unknown \"bf61\" (did you mean \"bf16\"?)")));
  options = kept_in("data/manifest.jsonl");
  EXPECT_THAT(fault(options, "a"), HasSubstr("manifest.jsonl: is a file, expected a folder"));
  EXPECT_THAT(fault(options, "a"), HasSubstr("[3]"));
  EXPECT_FALSE(fs::exists(root_ / "a"));
  EXPECT_NE(read_file(root_ / "data/manifest.jsonl"), "");
}

/// NIfTI-1 of int16, 40 x 36 x `slices`, a bright block that moves from slice to slice.
void write_volume(const fs::path& path, std::int16_t slices) {
  std::string bytes(352, '\0');
  const auto put = [&](std::size_t at, auto value) {
    std::memcpy(&bytes[at], &value, sizeof value);
  };
  put(0, std::int32_t{348});
  const std::int16_t sizes[] = {3, 40, 36, slices, 1, 1, 1, 1};
  for (std::size_t i = 0; i < 8; ++i) put(40 + 2 * i, sizes[i]);
  put(70, std::int16_t{4});
  put(72, std::int16_t{16});
  for (std::size_t i = 0; i < 4; ++i) put(76 + 4 * i, 1.0F);
  put(108, 352.0F);
  put(254, std::int16_t{1});  // sform
  for (std::size_t axis = 0; axis < 3; ++axis) put(280 + 20 * axis, 1.0F);
  std::memcpy(&bytes[344], "n+1", 4);
  for (int z = 0; z < slices; ++z) {
    for (int y = 0; y < 36; ++y) {
      for (int x = 0; x < 40; ++x) {
        const bool inside = y > 4 && y < 16 && x > 5 + 3 * z && x < 20 + 3 * z;
        const auto value = static_cast<std::int16_t>(inside ? 300 : 10 * z - 200 + x);
        bytes.append(reinterpret_cast<const char*>(&value), 2);
      }
    }
  }
  write_file(path, bytes);
}

class CachedSlices : public CachedRun {
 protected:
  /// Three slices, the first through two windows.
  TrainConfig volume_run() {
    write_volume(root_ / "data/scan.nii", 3);
    std::string lines;
    for (int i = 0; i < 4; ++i) {
      const nlohmann::json record = {
          {"id", str_cat("s", i)},
          {"image", "scan.nii"},
          {"slice", {{"axis", 2}, {"index", i % 3}}},
          {"window", i < 3 ? "ct-soft" : "mine(-300, 100)"},
          {"modality", "ct"},
          {"subject", "one"},
          {"split", "train"},
          {"masks", {{"m0", {{"label", "box"}, {"file", "p0-m.png"}}}}},
          {"conversations",
           {{{"from", "human"}, {"value", "<image>\nWhat?"}},
            {{"from", "gpt"}, {"value", "A <p> box </p> [SEG]."}, {"masks", {"m0"}}}}}};
      lines += record.dump() + "\n";
    }
    write_file(root_ / "data/slices.jsonl", lines);
    auto options = kept_in("kept");
    options.data.train = {{(root_ / "data/slices.jsonl").string(), "train", 1.0}};
    options.data.validation.clear();
    return options;
  }
};

TEST_F(CachedSlices, EverySliceAndWindowIsAPictureOfItsOwn) {
  const auto options = volume_run();
  train(options, to("cold"));
  EXPECT_EQ(count(features_of("cold"), "computed"), 4U);
  EXPECT_EQ(count(features_of("cold"), "written"), 4U);
  train(options, to("warm"));
  EXPECT_EQ(count(features_of("warm"), "computed"), 0U);
  auto plain = options;
  plain.data.cache_dir = "";
  plain.data.cache_gb = 0;
  train(plain, to("plain"));
  expect_same("plain", "cold");
  expect_same("plain", "warm");
}

TEST_F(CachedSlices, AReplayedMaskHasTheFeaturesOfItsOwnSlice) {
  const auto options = volume_run();
  const auto bundle = open_bundle(options.model);
  TrainingSet data(options.data, bundle);
  const auto targets = mask_targets(data.records);
  ASSERT_EQ(targets.size(), 4U) << "not one for the whole volume";
  MaskTargetReader reader(data);
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 24);
  const auto manifest = Manifest::read(root_ / "data/slices.jsonl");
  for (const auto& target : targets) {
    const Record& record = *data.records[target.record].record;
    const auto read = reader.features_of(target, cache);
    EXPECT_EQ(reader.features_of(target, cache), read) << "remembered";
    const auto own =
        encode_image(load_image(manifest, record), *bundle.model, bundle.options, at::kFloat);
    EXPECT_TRUE(at::equal(read->vision, own.vision)) << record.id;
    EXPECT_TRUE(at::equal(read->grounding, own.grounding)) << record.id;
    EXPECT_EQ(reader.read_truth(target, read->frame).sizes(),
              (std::vector<std::int64_t>{1, 36, 40}));
  }
  EXPECT_EQ(cache.counts().computed, 4U);
}

TEST_F(CachedSlices, ASliceThatIsNotThereCostsTheOthersNothing) {
  auto options = volume_run();
  auto lines = read_file(root_ / "data/slices.jsonl");
  const std::string last = "\"index\":2";
  ASSERT_NE(lines.find(last), std::string::npos);
  lines.replace(lines.find(last), last.size(), "\"index\":7");
  write_file(root_ / "data/slices.jsonl", lines);
  options.data.on_bad_sample = OnBadSample::kQuarantine;
  options.data.quarantine_limit = 1;
  train(options, to("run"));
  EXPECT_EQ(count(features_of("run"), "written"), 3U);
}

class CachedRunIntegration : public CachedRun {
 protected:
  pid_t start(const TrainConfig& options, const std::string& run) const {
    const auto file = root_ / (run + ".json");
    write_file(file, write_options(options).dump());
    return start_medseg({"train", file.string(), "--out", (root_ / run).string()},
                        root_ / (run + ".err"));
  }
};

TEST_F(CachedRunIntegration, ProcessesAtOnceShareAFolder) {
  auto plain = three_epochs();
  ASSERT_EQ(exit_code_of(start(plain, "plain")), 0);
  std::vector<pid_t> children;
  for (const char* run : {"a", "b", "c"}) children.push_back(start(kept_in("kept", 2e-5), run));
  for (const auto child : children) EXPECT_EQ(exit_code_of(child), 0);
  for (const std::string run : {"a", "b", "c"}) {
    expect_same("plain", run);
    EXPECT_EQ(count(features_of(run), "damaged"), 0U);
    EXPECT_LE(count(features_of(run), "computed"), kPictures);
  }
  EXPECT_TRUE(fs::is_empty(root_ / "kept/tmp"));
}

TEST_F(CachedRunIntegration, AKillLeavesNoHalfEntry) {
  auto endless = kept_in("kept");
  endless.train.steps = 1000000;
  for (int kill = 0; kill < 5; ++kill) {
    const auto run = str_cat("killed-", kill);
    const auto child = start(endless, run);
    const auto entries = [&] {
      std::size_t found = 0;
      std::error_code none;
      for (fs::recursive_directory_iterator at(root_ / "kept", none), end; !none && at != end;
           at.increment(none))
        ++found;
      return found;
    };
    const auto before = entries();
    const auto steps = [&] {
      std::error_code none;
      return fs::file_size(root_ / run / "metrics.jsonl", none) > 0 && !none;
    };
    // While the folder fills, a little later each time; once it is warm, after a step.
    for (int i = 0; i < 6000 && !steps() && entries() <= before + static_cast<std::size_t>(kill);
         ++i) {
      if (::waitpid(child, nullptr, WNOHANG) != 0) FAIL() << read_file(root_ / (run + ".err"));
      ::usleep(1000);
    }
    ::kill(child, SIGKILL);
    EXPECT_EQ(exit_code_of(child), -SIGKILL);
  }
  train(kept_in("kept"), to("after"));
  EXPECT_EQ(count(features_of("after"), "damaged"), 0U);
  train(three_epochs(), to("plain"));
  expect_same("plain", "after");
}

}  // namespace
}  // namespace medseg::tiny
