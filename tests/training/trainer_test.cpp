#include "medseg/training/trainer.h"

#include <csignal>
#include <map>
#include <set>
#include <thread>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "medseg/base/error.h"
#include "medseg/evaluation/evaluator.h"
#include "medseg/models/llama.h"
#include "medseg/nn/precision.h"
#include "tiny_run.h"

namespace medseg::tiny {
namespace {

TrainRequest to(const fs::path& out, bool resume = false) {
  return {.out = out, .resume = resume, .command = "test"};
}

TEST_F(TinyRun, LearnsAndRepeatsItself) {
  auto options = config();
  options.train.steps = 30;
  options.train.batch_size = 6;  // all there is: losses of two steps can be compared
  options.train.optimizer.lr = 1e-2;
  options.train.lora.dropout = 0.1;
  options.data.workers = 2;
  train(options, to(root_ / "a"));
  train(options, to(root_ / "b"));
  const auto a = metrics("a");
  ASSERT_EQ(a.size(), 30U);
  EXPECT_EQ(a, metrics("b"));
  EXPECT_LT(a.back()["loss"].get<double>(), 0.7 * a.front()["loss"].get<double>());
  EXPECT_LT(a.back()["loss_text"].get<double>(), a.front()["loss_text"].get<double>());
  EXPECT_LT(a.back()["loss_dice"].get<double>(), a.front()["loss_dice"].get<double>());
  EXPECT_EQ(read_file(root_ / "a/best/model.safetensors"),
            read_file(root_ / "b/best/model.safetensors"));
}

TEST_F(TinyRun, TrainsInBf16) {
  auto options = config();
  options.train.precision = Precision::kBf16;
  options.train.steps = 20;
  train(options, to(root_ / "a"));
  const auto lines = metrics("a");
  EXPECT_LT(lines.back()["loss"].get<double>(), lines.front()["loss"].get<double>());
}

TEST_F(TinyRun, ABundleInBf16TrainsAsTheSameValuesInFp32) {
  const auto save_as = [&](const std::string& name, at::ScalarType dtype) {
    const auto options = read_bundle_options(root_ / "start");
    const auto model = load_segmenter(root_ / "start", options);
    cast_parameters(model->language(), at::kBFloat16, is_frozen_matrix);
    cast_parameters(model->language(), dtype, is_frozen_matrix);
    AtomicFolder bundle(root_ / name);
    save_bundle(bundle.path(), *model, options, {});
    make_byte_tokenizer()->save(bundle.path());
    bundle.commit();
  };
  save_as("narrow", at::kBFloat16);
  save_as("wide", at::kFloat);
  for (const char* precision : {"fp32", "bf16"}) {
    auto options = config();
    options.train.precision = choice_named<Precision>("precision", precision);
    options.data.validation = options.data.train;
    options.train.evaluate_every = 2;
    const std::string narrow = str_cat("narrow-", precision), wide = str_cat("wide-", precision);
    options.model = (root_ / "narrow").string();
    train(options, to(root_ / narrow));
    options.model = (root_ / "wide").string();
    train(options, to(root_ / wide));
    EXPECT_EQ(metrics(narrow), metrics(wide));
    const auto small = open_tensor_file(root_ / narrow / "last/model.safetensors");
    const auto large = open_tensor_file(root_ / wide / "last/model.safetensors");
    for (const auto& info : small->tensors()) {
      const bool moved = info.name.find("q_proj") != std::string::npos ||
                         info.name.find("v_proj") != std::string::npos ||
                         info.name.find("embed_tokens") != std::string::npos;
      const bool language = info.name.starts_with("model.layers.") && info.shape.size() == 2;
      EXPECT_EQ(info.dtype == "BF16", language && !moved) << info.name;
      EXPECT_TRUE(at::equal(small->load(info.name).to(at::kFloat), large->load(info.name)))
          << info.name;
    }
    const auto model =
        load_segmenter(root_ / narrow / "last", read_bundle_options(root_ / narrow / "last"));
    for (const auto& [name, tensor] : model->named_parameters()) {
      EXPECT_EQ(tensor->scalar_type(), small->load(name).scalar_type()) << name;
    }
  }
}

TEST_F(TinyRun, WhatIsNamedMovesAndNothingElseDoes) {
  for (const bool tied : {true, false}) {
    for (const char* precision : {"fp32", "bf16", "fp16"}) {
      const std::string run = str_cat("run-", tied, "-", precision);
      write_start(root_ / "start", tied);
      auto options = config();
      if (!tied) options.train.trainable.push_back("lm_head");
      options.train.precision = choice_named<Precision>("precision", precision);
      options.train.optimizer.weight_decay =
          0.1;  // must not move old token rows or frozen parts either
      train(options, to(root_ / run));

      const auto before = open_tensor_file(root_ / "start/model.safetensors");
      const auto after = open_tensor_file(root_ / run / "last/model.safetensors");
      ASSERT_EQ(before->tensors().size(), after->tensors().size());
      const std::set<std::string> idle = {"iou_prediction_head", "output_hypernetworks_mlps.1",
                                          "output_hypernetworks_mlps.2",
                                          "output_hypernetworks_mlps.3"};
      for (const auto& info : before->tensors()) {
        const auto& name = info.name;
        const auto has = [&](const std::string& part) {
          return name.find(part) != std::string::npos;
        };
        const bool dead = std::any_of(idle.begin(), idle.end(), has);
        const bool equal = at::equal(before->load(name), after->load(name));
        if (name == "model.embed_tokens.weight" || name == "lm_head.weight") {
          const auto old_rows = [&](const at::Tensor& t) { return t.slice(0, 0, kFirstAdded); };
          EXPECT_TRUE(at::equal(old_rows(before->load(name)), old_rows(after->load(name)))) << name;
          EXPECT_FALSE(equal) << name;
        } else if (has("q_proj") && has("layers") && !has("mask_decoder")) {
          EXPECT_FALSE(equal) << name;
        } else if ((has("mask_decoder") || has("text_hidden_fcs")) && !dead) {
          // A bias of keys shifts all scores of a query alike: its gradient is rounding noise, or
          // exactly zero.
          if (!has("k_proj.bias")) {
            EXPECT_FALSE(equal) << name;
          }
        } else if (!(has("v_proj") && has("layers"))) {
          EXPECT_TRUE(equal) << name << " " << precision;
        }
      }
      EXPECT_TRUE(read_bundle_options(root_ / run / "last").initialised.empty());
    }
  }
}

TEST_F(TinyRun, GoesOnAsIfItHadNeverStopped) {
  auto options = config();
  options.train.accumulation = 2;
  options.train.lora.dropout = 0.2;
  options.train.ema.decay = 0.9;
  options.train.steps = 6;
  options.train.schedule = {.type = ScheduleType::kLinear, .warmup_steps = 2, .total_steps = 6};
  options.data.workers = 2;
  options.data.balance = 0.5;
  options.train.trainable.push_back("mm_projector");
  options.train.standardise_vision = true;
  train(options, to(root_ / "whole"));

  options.train.steps = 3;
  train(options, to(root_ / "halves"));
  append_line(root_ / "halves/metrics.jsonl", R"({"step": 4, "loss": 9)");  // torn by a kill
  fs::create_directories(root_ / "halves/checkpoints/.step-00000004.1.tmp");
  options.train.steps = 6;
  train(options, to(root_ / "halves", /*resume=*/true));

  EXPECT_EQ(metrics("whole"), metrics("halves"));
  for (const char* file : {"model.safetensors", "training.safetensors"}) {
    EXPECT_EQ(read_file(root_ / "whole/last" / file), read_file(root_ / "halves/last" / file))
        << file;
  }
  EXPECT_FALSE(fs::exists(root_ / "halves/checkpoints/.step-00000004.1.tmp"));
}

TEST_F(TinyRun, ResumeRefusesAnotherConfigAndANewRunAnOldFolder) {
  auto options = config();
  options.train.steps = 1;
  train(options, to(root_ / "a"));
  EXPECT_THROW(train(options, to(root_ / "a")), ConfigError);
  options.train.steps = 2;
  options.train.optimizer.lr = 1e-4;
  try {
    train(options, to(root_ / "a", true));
    ADD_FAILURE() << "another rate was accepted";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("train.optimizer.lr"), std::string::npos)
        << error.what();
  }
}

TEST_F(TinyRun, KeepsTheBestAndTheNewest) {
  auto options = config();
  options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "val", 1.0}};
  options.train.steps = 4;
  options.train.evaluate_every = 2;
  options.train.save_every = 1;
  options.train.keep = 1;
  train(options, to(root_ / "a"));
  const auto best = fs::read_symlink(root_ / "a/best").filename(),
             last = fs::read_symlink(root_ / "a/last").filename();
  EXPECT_EQ(last, "step-00000004");
  std::set<fs::path> left;
  for (const auto& entry : fs::directory_iterator(root_ / "a/checkpoints"))
    left.insert(entry.path().filename());
  EXPECT_EQ(left, (std::set<fs::path>{best, last}));
  std::size_t evaluations = 0;
  for (const auto& line : metrics("a")) evaluations += line.contains("split") ? 1 : 0;
  EXPECT_EQ(evaluations, 2U);
  const auto run = nlohmann::json::parse(read_file(root_ / "a/run.json"));
  EXPECT_EQ(run["state"], "done");
  for (const char* part : {"loading", "language forward", "backward"}) {
    EXPECT_GT(run["parts"][part]["seconds"].get<double>(), 0.0) << part;
    EXPECT_GT(run["parts"][part]["peak_memory_bytes"].get<std::uint64_t>(), 10'000'000U) << part;
  }
  EXPECT_FALSE(run["host"]["cpu"].get<std::string>().empty());
  EXPECT_GE(run["host"]["processors"].get<int>(), 1);
  EXPECT_FALSE(run["host"]["gpu"].get<std::string>().empty());
  EXPECT_EQ(run["data"][0]["sha256"].get<std::string>().size(), 64U);
}

TEST_F(TinyRun, ItsScoresAreThoseOfTheSavedBundle) {
  for (const char* precision : {"fp32", "bf16", "fp16"}) {
    auto options = config();
    options.data.validation = {{(root_ / "data/manifest.jsonl").string(), "train", 1.0}};
    options.train.precision = choice_named<Precision>("precision", precision);
    options.train.ema.decay = 0.5;
    options.train.trainable.push_back("mm_projector");
    options.train.standardise_vision = true;  // the bundle has the projector for plain features
    options.train.steps = 25;
    options.train.optimizer.lr = 1e-2;
    train(options, to(root_ / precision));
    const auto line = metrics(precision).back();

    auto bundle = open_bundle(root_ / precision / "best");
    const auto dtype = precision_named("precision", precision);
    prepare_for_inference(bundle, dtype);
    FeatureCache cache(*bundle.model, bundle.options, dtype, 1 << 30);
    EvaluationOptions evaluation;
    evaluation.generation.max_new_tokens = bundle.options.max_new_tokens;
    evaluation.precision = dtype;
    evaluation.show_progress = false;
    const auto scores =
        evaluate(bundle, Manifest::read(root_ / "data/manifest.jsonl"), "train", cache, evaluation)
            .scores;
    EXPECT_EQ(line["seg_count_accuracy"].get<double>(), scores.seg_count_accuracy) << precision;
    EXPECT_EQ(line["giou"].get<double>(), scores.giou) << precision;
    EXPECT_EQ(line["false_positive_rate"].get<double>(), scores.false_positive_rate) << precision;
  }
}

TEST_F(TinyRun, ALossThatIsNotFiniteStopsTheRun) {
  write_start(root_ / "start", true, std::numeric_limits<double>::quiet_NaN());
  try {
    train(config(), to(root_ / "a"));
    ADD_FAILURE() << "went on";
  } catch (const RunStopped& error) {
    const std::string what = error.what();
    EXPECT_NE(what.find("step 1: loss_bce is nan; records p"), std::string::npos) << what;
  }
}

TEST_F(TinyRun, AFullDiskLeavesTheLastCheckpoint) {
  auto options = config();
  options.train.steps = 1;
  train(options, to(root_ / "a"));
  const auto saved = read_file(root_ / "a/last/model.safetensors");
  options.train.steps = 2;
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{.rlim_cur = 64 * 1024, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(train(options, to(root_ / "a", true)), DataError);
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_EQ(fs::read_symlink(root_ / "a/last").filename(), "step-00000001");
  EXPECT_EQ(read_file(root_ / "a/last/model.safetensors"), saved);
  std::size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(root_ / "a/checkpoints"))
    ++entries;
  EXPECT_EQ(entries, 1U);
  train(options, to(root_ / "a", true));  // and the run goes on once there is room
  EXPECT_EQ(fs::read_symlink(root_ / "a/last").filename(), "step-00000002");
}

TEST_F(TinyRun, ASignalEndsItAfterTheStepSaved) {
  auto options = config();
  options.train.steps = 100000;
  std::thread killer([this] {
    for (int i = 0; i < 2000; ++i) {  // once the loop runs
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      std::error_code none;
      if (fs::exists(root_ / "a/metrics.jsonl") &&
          fs::file_size(root_ / "a/metrics.jsonl", none) > 0)
        break;
    }
    ::kill(::getpid(), SIGTERM);
  });
  int code = 0;
  try {
    train(options, to(root_ / "a"));
  } catch (const Error& error) {
    code = error.exit_code();
  }
  killer.join();
  EXPECT_EQ(code, 143);
  EXPECT_TRUE(fs::exists(root_ / "a/last/training.json"));
}

TEST_F(TinyRun, ATimeLimitEndsItSaved) {
  auto options = config();
  options.train.steps = 100000;
  options.train.time_limit_s = 0.2;
  train(options, to(root_ / "a"));
  EXPECT_TRUE(fs::exists(root_ / "a/best/model.safetensors"));
}

TEST_F(TinyRun, RefusesWhatCannotBeMeant) {
  const auto fault = [&](auto change) {
    auto options = config();
    change(options);
    try {
      train(options, to(root_ / "a"));
    } catch (const Error& error) {
      return std::string(error.what()) + str_cat(" [", error.exit_code(), "]");
    }
    return std::string();
  };
  EXPECT_NE(fault([](auto& o) { o.train.trainable = {"mask_decoder"}; }).find("text_hidden_fcs"),
            std::string::npos);
  EXPECT_NE(fault([](auto& o) {
              o.train.trainable.push_back("mask_dekoder");
            }).find("did you mean \"mask_decoder\""),
            std::string::npos);
  EXPECT_NE(fault([](auto& o) {
              o.train.trainable.push_back("vision_tower");
            }).find("encoders are frozen"),
            std::string::npos);
  EXPECT_NE(
      fault([](auto& o) { o.train.lora.targets = {"qproj"}; }).find("did you mean \"q_proj\""),
      std::string::npos);
  EXPECT_NE(fault([](auto& o) { o.data.train[0].split = "trian"; }).find("no record in split"),
            std::string::npos);
  EXPECT_NE(fault([](auto& o) { o.train.standardise_vision = true; }).find("mm_projector"),
            std::string::npos);
  const auto longer = fault([](auto& o) { o.data.max_tokens = 12; });
  EXPECT_NE(longer.find("manifest.jsonl:1: "), std::string::npos) << longer;
  EXPECT_NE(longer.find("max_tokens is 12 [3]"), std::string::npos) << longer;
  EXPECT_FALSE(fs::exists(root_ / "a"));  // nothing half-made stays
}

TEST_F(TinyRun, AnAdapterIsWhereTrainingStarts) {
  auto options = config();
  const auto folder = root_ / "adapter";
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (int layer = 0; layer < 2; ++layer) {
    for (const auto& [part, rows] : {std::pair{"q_proj", 32}, std::pair{"v_proj", 16}}) {
      const std::string name =
          str_cat("base_model.model.model.layers.", layer, ".self_attn.", part);
      tensors.emplace_back(name + ".lora_A.weight", at::randn({8, 32}));
      tensors.emplace_back(name + ".lora_B.weight", at::ones({rows, 8}));
    }
  }
  write_safetensors(folder / "adapter_model.safetensors", tensors);
  write_file(
      folder / "adapter_config.json",
      R"({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"]})");
  options.train.lora.adapter = folder.string();
  options.train.steps = 1;
  options.train.optimizer.lr = 0;
  train(options, to(root_ / "a"));
  const auto before = open_tensor_file(root_ / "start/model.safetensors");
  const auto after = open_tensor_file(root_ / "a/last/model.safetensors");
  const std::string name = "model.layers.1.self_attn.q_proj.weight";
  const auto expected = before->load(name) + 2.0 * at::mm(tensors[5].second, tensors[4].second);
  EXPECT_TRUE(at::allclose(after->load(name), expected, 1e-5, 1e-6));

  options.train.lora.alpha = 32;  // twice what the adapter was trained with
  try {
    train(options, to(root_ / "b"));
    ADD_FAILURE() << "another alpha was taken";
  } catch (const ConfigError& error) {
    EXPECT_NE(std::string(error.what()).find("train.lora.alpha: 32"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace medseg::tiny
