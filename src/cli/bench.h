/// \file
/// What the measurements of `medseg bench` share: timing and printing.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "medseg/base/choice.h"

namespace medseg {

enum class BenchKind { kGrounding, kSamVit, kLanguage, kLoad, kMetrics, kTrain, kGenerate };
template <>
struct Choice<BenchKind> {
  static constexpr ChoiceNames<BenchKind, 7> names = {{{BenchKind::kGrounding, "grounding"},
                                                       {BenchKind::kSamVit, "sam_vit"},
                                                       {BenchKind::kLanguage, "language"},
                                                       {BenchKind::kLoad, "load"},
                                                       {BenchKind::kMetrics, "metrics"},
                                                       {BenchKind::kTrain, "train"},
                                                       {BenchKind::kGenerate, "generate"}}};
};

struct BenchArguments {
  std::string what = name_of(BenchKind::kGrounding);
  std::vector<std::string>
      files;  ///< weights of `load`, bundles of `generate`, the config of `train`
  std::vector<std::string> overrides;  ///< of the config
  std::string only;
  std::string precision;
  int threads = 0;
  int runs = 7;
  bool json = false;
};

/// Times and prints, in milliseconds per item (an image, a mask, a file).
class Bench {
 public:
  explicit Bench(const BenchArguments& arguments) : arguments_(arguments) {}

  void measure(const std::string& name, const std::string& precision, std::int64_t pieces,
               const std::function<void()>& work, bool warm_up = true) const;
  /// Whether a measurement with this name, or one whose name starts with it, is asked for.
  bool wants(const std::string& name, const std::string& precision) const;
  bool wanted_any() const { return wanted_any_; }  ///< whether `wants` has returned true
  /// Runs `work` once in this precision without measuring.
  void run_once(const std::string& precision, const std::function<void()>& work) const;
  /// Prints a number other than a time in the format of measure().
  void report(const std::string& name, double value, const std::string& unit,
              const std::string& precision) const;

 private:
  const BenchArguments& arguments_;
  mutable bool wanted_any_ = false;
};

/// Opens each file and copies every tensor into memory of its own, block formats as fp32, and keeps
/// all until the last. There is no warm-up, as in a program that starts; the file itself may be in
/// the system's cache.
void bench_load(const Bench& bench, const std::vector<std::string>& files);

/// Scores 200 pairs of masks of 512 x 512 pixels, own ones or those of a file (bytes, prediction
/// and reference in turns): surfaces, overlap, run lengths, milliseconds a pair; then a volume of
/// 512 x 512 x 300 with the memory that it took.
void bench_metrics(const Bench& bench, const std::vector<std::string>& files);

/// Reads prompts of 512 tokens and answers them with 64, one dialogue and eight side by side;
/// milliseconds a token, for each bundle. The words are random, masks are not drawn.
void bench_generate(const Bench& bench, const std::vector<std::string>& bundles);

/// Trains for `runs` steps after two that are not counted. Prints time, peak memory, operations and
/// share of the peak rate of matrix products for every part, as a table or as JSON lines.
void bench_train(const BenchArguments& arguments);

/// Forward and backward passes of language models with random weights, with and without activation
/// checkpointing, frozen matrices in bf16, int8 or nf4. Prints milliseconds per dialogue, bytes of
/// the weights, and the peak of the other tensors' bytes, which is counted and thus the same in
/// every run.
void bench_language(const Bench& bench);

}  // namespace medseg
