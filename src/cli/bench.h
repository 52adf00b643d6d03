/// \file
/// What the measurements of `medseg bench` share: one work, timed and printed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace medseg {

struct BenchArguments {
  std::string what = "grounding";
  std::vector<std::string> files;      ///< of `load`; the config of `train`
  std::vector<std::string> overrides;  ///< of the config
  std::string only;
  std::string precision;
  int threads = 0;
  int runs = 7;
  bool json = false;
};

/// Times and prints; the unit is milliseconds a piece (a picture, a mask, a file).
class Bench {
 public:
  explicit Bench(const BenchArguments& arguments) : arguments_(arguments) {}

  void measure(const std::string& name, const std::string& precision, std::int64_t pieces,
               const std::function<void()>& work, bool warm_up = true) const;
  /// Whether a measurement of this name, or one whose name it begins, is asked for.
  bool wants(const std::string& name, const std::string& precision) const;
  bool wanted_any() const { return wanted_any_; }  ///< whether `wants` has said yes
  /// One run in this precision, unmeasured.
  void run_once(const std::string& precision, const std::function<void()>& work) const;
  /// A number that is no time, as measure() prints its.
  void report(const std::string& name, double value, const std::string& unit,
              const std::string& precision) const;

 private:
  const BenchArguments& arguments_;
  mutable bool wanted_any_ = false;
};

/// Opens each file and brings every tensor into memory of its own, block formats as fp32, all kept until the last.
/// Without a warm-up: the first run is what a program meets that starts with a file the system has read before.
void bench_load(const Bench& bench, const std::vector<std::string>& files);

/// Trains for `runs` steps after two that are not counted: time, peak memory, operations and share of the machine's matrix
/// product peak of every part, as a table or as JSON lines.
void bench_train(const BenchArguments& arguments);

/// Forward and backward passes of language models with random weights, layers checkpointed or not, frozen matrices in bf16,
/// int8 or nf4: milliseconds a dialogue, bytes of the weights, and the most bytes of tensors beside them (counted, so equal
/// from run to run).
void bench_language(const Bench& bench);

}  // namespace medseg
