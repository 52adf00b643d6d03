// What a run leaves in its folder, and what one that goes on does with it.
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "medseg/base/error.h"
#include "medseg/base/signals.h"
#include "medseg/dataloader/feature_filling.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/training/checkpoint.h"
#include "medseg/training/run_folder.h"
#include "medseg/training/trained.h"
#include "medseg/training/trainer.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

TrainRequest to(const fs::path& out, bool resume = false) {
  return {.out = out, .resume = resume, .command = "test"};
}

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder)) bytes += entry.file_size();
  return bytes;
}

class Resume : public TinyRun {
 protected:
  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(metrics(a), metrics(b));
    for (const char* file : {"model.safetensors", "training.safetensors"}) {
      EXPECT_EQ(read_file(root_ / a / "last" / file), read_file(root_ / b / "last" / file)) << file;
    }
  }

  /// Two runs of four steps that saved each of the last two, ready to go on to six.
  TrainConfig four_steps(const std::string& run) const {
    auto options = config();
    options.train.save_every = 1;
    options.train.keep = 2;
    options.train.schedule.total_steps = 6;
    train(options, to(root_ / run));
    options.train.steps = 6;
    return options;
  }

  std::size_t metrics_count(const std::string& run) const {
    const auto text = read_file(root_ / run / "metrics.jsonl");
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }

  std::string resume_fault(const TrainConfig& options, const std::string& run) const {
    try {
      train(options, to(root_ / run, true));
    } catch (const Error& error) {
      return str_cat(error.what(), " [", error.exit_code(), "]");
    }
    return "";
  }
};

TEST_F(Resume, WithEverythingOnTwoHalvesAreTheWhole) {
  for (const char* precision : {"fp32", "bf16"}) {
    auto options = config();
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
    options.data.workers = 3;
    options.data.group_by_length = true;
    auto& train_options = options.train;
    train_options.precision = choice_named<Precision>("precision", precision);
    train_options.batch_size = 2;
    train_options.accumulation = 3;
    train_options.lora.dropout = 0.2;
    train_options.ema.decay = 0.9;
    train_options.replay = {.masks = 3, .memory = 2};
    train_options.evaluate_every = 2;
    train_options.also_best = {ValidationScore::kCiou, ValidationScore::kGiou};
    train_options.schedule = {.type = ScheduleType::kCosine, .warmup_steps = 2, .total_steps = 8};
    train_options.steps = 8;
    const std::string whole = str_cat("whole-", precision), halves = str_cat("halves-", precision);
    train(options, to(root_ / whole));
    train_options.steps = 4;
    train(options, to(root_ / halves));
    train_options.steps = 8;
    options.data.workers = 1;
    train(options, to(root_ / halves, true));
    expect_same(whole, halves);
    for (const char* link : {"best", "best-ciou", "best-giou"}) {
      EXPECT_EQ(fs::read_symlink(root_ / whole / link), fs::read_symlink(root_ / halves / link));
    }
  }
}

TEST_F(Resume, TheCacheIsNoPartOfTheNumbers) {
  auto options = config();
  options.train.steps = 5;
  options.train.replay.masks = 2;
  train(options, to(root_ / "cached"));
  for (const double limit : {0.0, 1e-5}) {  // none, and room for some of the pictures
    const std::string run = str_cat("limit-", limit);
    options.data.cache_gb = limit;
    options.data.workers = 2;
    train(options, to(root_ / run));
    expect_same("cached", run);
    const auto times = nlohmann::json::parse(read_file(root_ / run / "run.json"));
    EXPECT_GT(times["parts"]["encoders"]["seconds"].get<double>(), 0.0);
  }
}

TEST_F(Resume, ADamagedNewestCheckpointIsSetAside) {
  auto options = four_steps("whole");
  train(options, to(root_ / "whole", true));
  const std::vector<std::pair<std::string, std::function<void(const fs::path&)>>> damages = {
      {"cut",
       [](const fs::path& at) {
         fs::resize_file(at / "training.safetensors",
                         fs::file_size(at / "training.safetensors") / 2);
       }},
      {"changed",
       [](const fs::path& at) {
         auto bytes = read_file(at / "model.safetensors");
         auto& byte = bytes[bytes.size() - 7];
         byte = static_cast<char>(byte ^ 1);
         write_file(at / "model.safetensors", bytes);
       }},
      {"gone", [](const fs::path& at) { fs::remove(at / "config.json"); }},
      {"no-json", [](const fs::path& at) { write_file(at / "training.json", "{\"step\": 4"); }},
      {"no-sums", [](const fs::path& at) {  // as an earlier version left it, and cut
         fs::remove(at / "SHA256SUMS");
         fs::resize_file(at / "training.safetensors", 100);
       }}};
  for (const auto& [name, damage] : damages) {
    four_steps(name);
    damage(root_ / name / "checkpoints/step-00000004");
    ::testing::internal::CaptureStderr();
    train(options, to(root_ / name, true));
    const auto said = ::testing::internal::GetCapturedStderr();
    EXPECT_NE(said.find("the run goes on from step-00000003"), std::string::npos) << said;
    EXPECT_NE(read_file(root_ / name / "log.txt").find("set aside"), std::string::npos);
    EXPECT_TRUE(fs::exists(root_ / name / "checkpoints/damaged-step-00000004"));
    expect_same("whole", name);
  }
}

TEST_F(Resume, WithoutAWholeCheckpointItStops) {
  const auto options = four_steps("a");
  for (const char* step : {"step-00000003", "step-00000004"})
    fs::resize_file(root_ / "a/checkpoints" / step / "model.safetensors", 1000);
  for (int i = 0; i < 2; ++i) {  // and changes nothing, so that it says the same again
    const auto fault = resume_fault(options, "a");
    EXPECT_NE(fault.find("step-00000004/model.safetensors: 1000 bytes"), std::string::npos)
        << fault;
    EXPECT_NE(fault.find("of the run's 2 checkpoints none is whole"), std::string::npos) << fault;
    EXPECT_NE(fault.find("[4]"), std::string::npos) << fault;
  }
}

TEST_F(Resume, AnEarlierVersionsRunGoesOn) {
  const auto options = four_steps("whole");
  train(options, to(root_ / "whole", true));
  four_steps("old");
  const auto last = root_ / "old/checkpoints/step-00000004";
  fs::remove(last / "SHA256SUMS");
  auto state = nlohmann::json::parse(read_file(last / "training.json"));
  state.erase("owes_evaluation");
  write_file(last / "training.json", state.dump());
  auto before = nlohmann::json::parse(read_file(root_ / "old/config.json"));
  before["train"].erase("also_best");
  write_file(root_ / "old/config.json", before.dump());
  train(options, to(root_ / "old", true));
  expect_same("whole", "old");
}

TEST_F(Resume, ACheckpointTakesWhatWasForetold) {
  for (const char* precision : {"fp32", "bf16"}) {
    auto options = config();
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.steps = 1;
    options.train.ema.decay = 0.5;
    train(options, to(root_ / precision));
    auto bundle = open_bundle(options.model);
    const AdamW optimizer(options.train.optimizer, choose_trained(bundle, options.train));
    const Ema ema(options.train.ema.decay, optimizer.parameters());
    const auto told = static_cast<double>(
        checkpoint_bytes(bundle, optimizer, ema, GradScaler({}, false, at::kCPU)));
    EXPECT_NEAR(told / static_cast<double>(bytes_in(root_ / precision / "last")), 1.0, 0.2);
  }
}

TEST_F(Resume, SumsAreThoseThatSha256sumReads) {
  auto options = config();
  options.train.steps = 1;
  train(options, to(root_ / "a"));
  const auto command =
      str_cat("cd ", (root_ / "a/last").string(), " && sha256sum --quiet -c SHA256SUMS");
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(Resume, LinesThatFindNoRoomWait) {
  RunFolder folder(root_ / "run");
  folder.claim();
  folder.create();
  folder.add_metrics({{"step", 1}});
  const auto limit_files = [](rlim_t bytes) {
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    const auto before = limit.rlim_cur;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
    return before;
  };
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  const auto unlimited = limit_files(fs::file_size(root_ / "run/metrics.jsonl") + 5);
  folder.add_metrics({{"step", 2}});
  folder.add_metrics({{"step", 3}});
  EXPECT_THROW(folder.sync_metrics(), DataError);
  limit_files(unlimited);
  std::signal(SIGXFSZ, before);
  EXPECT_EQ(read_file(root_ / "run/metrics.jsonl"), "{\"step\":1}\n");
  folder.add_metrics({{"step", 4}});
  folder.sync_metrics();
  EXPECT_EQ(read_file(root_ / "run/metrics.jsonl"),
            "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"step\":4}\n");
}

TEST_F(Resume, AnEvaluationThatIsOwedLeavesNoLines) {
  RunFolder folder(root_ / "run");
  folder.create();
  for (const int step : {1, 2}) {
    folder.add_metrics({{"step", step}});
    folder.add_metrics({{"step", step}, {"split", "val"}});
  }
  folder.rewind(2, /*owes_evaluation=*/true);
  EXPECT_EQ(metrics_count("run"), 3U);
  folder.rewind(1);
  EXPECT_EQ(metrics_count("run"), 2U);
}

TEST_F(Resume, LongWorkEndsSoonAfterASignal) {
  auto bundle = open_bundle(root_ / "start");
  const auto options = config();
  TrainingSet data(options.data, bundle);
  FeatureCache cache(*bundle.model, bundle.options, at::kFloat, 1 << 20);
  const auto manifest = Manifest::read(root_ / "data/manifest.jsonl");
  EvaluationOptions evaluation;
  evaluation.show_progress = false;
  const SignalWatch watch;
  EXPECT_NO_THROW(fill_features(data, cache));
  std::raise(SIGTERM);
  EXPECT_THROW(fill_features(data, cache), Interrupted);
  try {
    evaluate(bundle, manifest, "val", cache, evaluation);
    ADD_FAILURE() << "went on";
  } catch (const Interrupted& error) {
    EXPECT_EQ(error.exit_code(), 143);
  }
}

TEST_F(Resume, TheBestByEachScoreStays) {
  auto options = config();
  options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "train", 1.0}};
  options.train.steps = 12;
  options.train.optimizer.lr = 1e-2;
  options.train.evaluate_every = 1;
  options.train.keep = 1;
  options.train.best = ValidationScore::kCiou;
  options.train.also_best = {ValidationScore::kGiou, ValidationScore::kDice};
  train(options, to(root_ / "a"));
  std::map<std::string, std::pair<double, std::int64_t>> best;
  for (const auto& line : metrics("a")) {
    if (!line.contains("split")) continue;
    for (const char* score : {"ciou", "giou", "dice"}) {
      const double value = line[score].is_number() ? line[score].get<double>() : 0.0;
      auto& known = best.try_emplace(score, -1.0, 0).first->second;
      if (value > known.first) known = {value, line["step"].get<std::int64_t>()};
    }
  }
  const RunFolder folder(root_ / "a");
  std::set<fs::path> stay = {folder.checkpoint(12).filename()};
  for (const auto& [score, place] : best) {
    const auto link = root_ / "a" / (score == "ciou" ? "best" : "best-" + score);
    EXPECT_EQ(fs::read_symlink(link).filename(), folder.checkpoint(place.second).filename());
    stay.insert(folder.checkpoint(place.second).filename());
  }
  std::set<fs::path> left;
  for (const auto& entry : fs::directory_iterator(root_ / "a/checkpoints"))
    left.insert(entry.path().filename());
  EXPECT_EQ(left, stay);
}

}  // namespace
}  // namespace medseg::tiny
