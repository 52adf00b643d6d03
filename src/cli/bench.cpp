#include "bench.h"

#include <algorithm>
#include <iostream>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/dinov2.h"
#include "medseg/models/grounding.h"
#include "medseg/models/sam_vit.h"
#include "medseg/models/tiny_vit.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/precision.h"
#include "medseg/nn/window_attention.h"

namespace medseg {
namespace {

void bench_encoders(const Bench& bench) {
  const at::NoGradGuard no_grad;
  const auto tower = make_dinov2({});
  const auto encoder = make_tiny_vit({}, 256);
  tower->prepare_frozen();
  encoder->prepare_frozen();
  for (const std::string precision : {"fp32", "bf16"}) {
    for (const std::int64_t batch : {1, 4}) {
      const auto seen = at::randn({batch, 3, tower->image_size(), tower->image_size()});
      bench.measure(str_cat("vision_tower.forward.batch", batch), precision, batch,
                    [&] { tower->features(seen); });
      const auto drawn = at::rand({batch, 3, encoder->image_size(), encoder->image_size()});
      bench.measure(str_cat("grounding_encoder.forward.batch", batch), precision, batch,
                    [&] { encoder->forward(drawn); });
    }
  }
}

/// One block in each of LiteMedSAM's stages with attention, for one image: our kernel, then
/// torch's.
void bench_windows(const Bench& bench) {
  const at::NoGradGuard no_grad;
  struct Stage {
    std::int64_t number, windows, cells, heads, depth;
  };
  for (const auto& [number, windows, cells, heads, depth] :
       {Stage{1, 361, 49, 4, 32}, Stage{2, 25, 196, 5, 32}, Stage{3, 100, 49, 10, 32}}) {
    const auto qkv = at::randn({windows, cells, heads * 3 * depth}).to(at::kBFloat16);
    const PairBias bias(at::randn({heads, cells, cells}));
    bench.measure(str_cat("window_attention.stage", number), "bf16", 1,
                  [&] { window_attention(qkv, bias); });
    bench.measure(str_cat("window_attention.stage", number, ".torch"), "bf16", 1,
                  [&] { window_attention(qkv, bias.plain()); });
  }
}

void bench_decoder(const Bench& bench) {
  const Grounding grounding{GroundingOptions{}};
  auto& module = const_cast<Grounding&>(grounding);
  for (const auto& [name, tensor] : module.named_parameters()) {
    tensor->set_requires_grad(name.starts_with("mask_decoder."));
  }
  const auto grid = grounding.encoder().grid(), width = grounding.options().width;
  for (const std::string precision : {"fp32", "bf16"}) {
    for (const std::int64_t masks : {1, 4, 8}) {
      const auto image =
          at::randn({masks, width, grid, grid}).to(precision_named("--precision", precision));
      const auto prompts = at::randn({masks, width}).set_requires_grad(true);
      const auto owners = at::arange(masks);
      bench.measure(str_cat("mask_decoder.forward.masks", masks), precision, masks, [&] {
        const at::NoGradGuard no_grad;
        grounding.decode_batch(image, prompts, owners);
      });
      bench.measure(str_cat("mask_decoder.forward_backward.masks", masks), precision, masks, [&] {
        grounding.decode_batch(image, prompts, owners).mask_logits.square().mean().backward();
      });
    }
  }
}

void bench_sam_vit(const Bench& bench) {
  const at::NoGradGuard no_grad;
  const auto encoder = make_sam_vit({}, 256);
  const auto pixels = at::randn({1, 3, encoder->image_size(), encoder->image_size()});
  for (const std::string precision : {"fp32", "bf16"}) {
    bench.measure("sam_vit_b.forward.batch1", precision, 1, [&] { encoder->forward(pixels); });
  }
}

void bench(const BenchArguments& arguments) {
  const auto kind = find_choice<BenchKind>(arguments.what);
  if (!kind) {
    throw ConfigError("bench", str_cat("unknown measurement \"", arguments.what, "\"",
                                       did_you_mean(arguments.what, choice_names<BenchKind>())));
  }
  if (*kind == BenchKind::kTrain) return bench_train(arguments);
  const bool generates = *kind == BenchKind::kGenerate;
  const bool needs_files = *kind == BenchKind::kLoad || generates;
  const bool may_have_files = needs_files || *kind == BenchKind::kMetrics;
  if (needs_files && arguments.files.empty())
    throw ConfigError("bench",
                      generates ? "generate needs a bundle" : "load needs a file of weights");
  if (!may_have_files && !arguments.files.empty())
    throw ConfigError("bench", "only load, generate, metrics and train take files");
  if (!arguments.overrides.empty()) throw ConfigError("bench", "--set is for train");
  if (arguments.threads > 0) at::set_num_threads(arguments.threads);
  const Bench timer(arguments);
  switch (*kind) {
    case BenchKind::kGrounding:
      bench_encoders(timer);
      bench_windows(timer);
      bench_decoder(timer);
      break;
    case BenchKind::kSamVit:
      bench_sam_vit(timer);
      break;
    case BenchKind::kLanguage:
      bench_language(timer);
      break;
    case BenchKind::kLoad:
      bench_load(timer, arguments.files);
      break;
    case BenchKind::kMetrics:
      bench_metrics(timer, arguments.files);
      break;
    case BenchKind::kGenerate:
      bench_generate(timer, arguments.files);
      break;
    case BenchKind::kTrain:  // has returned above
      break;
  }
  if (!timer.wanted_any())
    throw ConfigError("bench",
                      str_cat("--only and --precision leave no measurement of ", arguments.what));
}

}  // namespace

void Bench::measure(const std::string& name, const std::string& precision, std::int64_t pieces,
                    const std::function<void()>& work, bool warm_up) const {
  if (!wants(name, precision)) return;
  std::optional<AutocastScope> autocast;  // none for "stored" and "fp64": nothing is multiplied
  if (const auto known = find_choice<Precision>(precision))
    autocast.emplace(at::kCPU, dtype_of(*known));
  if (warm_up) work();  // fills caches and starts threads
  std::vector<double> times;
  for (int run = 0; run < arguments_.runs; ++run) {
    const Stopwatch watch;
    work();
    times.push_back(watch.seconds() * 1e3 / static_cast<double>(pieces));
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  if (arguments_.json) {
    const nlohmann::ordered_json line = {
        {"name", name},          {"value", median},
        {"unit", "ms"},          {"median", median},
        {"min", times.front()},  {"max", times.back()},
        {"runs", times.size()},  {"threads", at::get_num_threads()},
        {"precision", precision}};
    std::cout << line.dump() << std::endl;
  } else {
    std::cout << name << std::string(name.size() < 44 ? 44 - name.size() : 1, ' ') << precision
              << "  " << fixed(median, 2) << " ms (" << fixed(times.front(), 2) << " to "
              << fixed(times.back(), 2) << ")" << std::endl;
  }
}

bool Bench::wants(const std::string& name, const std::string& precision) const {
  const bool named =
      name.find(arguments_.only) != std::string::npos || arguments_.only.starts_with(name + ".");
  const bool wanted = named && (arguments_.precision.empty() || precision == arguments_.precision);
  wanted_any_ = wanted_any_ || wanted;
  return wanted;
}

void Bench::run_once(const std::string& precision, const std::function<void()>& work) const {
  const AutocastScope autocast(at::kCPU, precision_named("--precision", precision));
  work();
}

void Bench::report(const std::string& name, double value, const std::string& unit,
                   const std::string& precision) const {
  if (!wants(name, precision)) return;
  if (arguments_.json) {
    const nlohmann::ordered_json line = {{"name", name},
                                         {"value", value},
                                         {"unit", unit},
                                         {"runs", 1},
                                         {"threads", at::get_num_threads()},
                                         {"precision", precision}};
    std::cout << line.dump() << std::endl;
  } else {
    std::cout << name << std::string(name.size() < 44 ? 44 - name.size() : 1, ' ') << precision
              << "  " << fixed(value, 1) << " " << unit << std::endl;
  }
}

void add_bench(Command& app) {
  auto arguments = std::make_shared<BenchArguments>();
  auto* command = app.add_subcommand(
      "bench", "Time the program's own parts, with random weights of the demo's sizes");
  command->add_option(
      "what", arguments->what,
      "grounding: encoders, attention in windows (compared with torch's) and mask decoder, "
      "milliseconds a "
      "image or mask; "
      "sam_vit: SAM's ViT-B at 1024 pixels; language: a training pass of SmolLM2-135M's and "
      "TinyLlama-1.1B's sizes with and without activation checkpointing, frozen matrices in bf16, "
      "int8 or nf4, time and memory; load: every tensor of a weight file into "
      "memory of its own; generate: reading and answering by a bundle's language model, "
      "milliseconds a token; metrics: surface scores, overlap and run lengths of 200 pairs of "
      "masks; train: a few steps of a training config, part by part");
  command->add_option(
      "FILE", arguments->files,
      "weight files for load, bundles for generate, pairs of masks for metrics, the "
      "config for train");
  command->add_option("--set", arguments->overrides, "a.b=value: changes the config of train")
      ->no_more_values();
  command->add_option("--only", arguments->only, "measurements whose name contains this");
  command->add_option("--precision", arguments->precision, "fp32 or bf16 alone (metrics: fp64)")
      ->one_of({"fp32", "bf16", "fp64"});
  command->add_option("--runs", arguments->runs, "repetitions, after a warm-up but for load")
      ->in_range(1, 1'000'000);
  command->add_option("--threads", arguments->threads, "0: as many as there are");
  command->add_flag("--json", arguments->json, "one JSON object a measurement");
  command->footer(
      "Example: medseg bench grounding --only mask_decoder --json\n"
      "         medseg bench train configs/train/demo.json --runs 10");
  command->callback([arguments] { bench(*arguments); });
}

}  // namespace medseg
