/// \file
/// Where the time of single steps goes, operator by operator: `medseg train --profile N`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include "medseg/training/time_table.h"

namespace at {
struct RecordFunction;
}

namespace medseg {

/// Records steps with LibTorch's profiler and writes them in Chrome's trace format (chrome://tracing, ui.perfetto.dev): a
/// span "step N", in it the parts of the TimeTable ("language forward", "backward", …), in those the operators with the
/// shapes of their inputs; with a GPU its kernels too. The first steps of a process are left alone (kWarmUp: allocator,
/// caches), and so is what comes between steps (evaluation, saves). It changes no number of the run.
///
/// For the thread of the steps only. What cannot be written is a warning; the run goes on.
class StepProfile {
 public:
  static constexpr std::int64_t kWarmUp = 2;

  /// `steps` 0: off, and nothing below does anything. `times` must outlive it.
  StepProfile(std::filesystem::path file, std::int64_t steps, bool with_gpu, TimeTable& times);
  ~StepProfile();  ///< writes what a run that ends early leaves
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  void begin(std::int64_t step);  ///< counted from 1, for its name
  void end();

 private:
  void start();
  void write();
  void open(const std::string& name);
  void close();

  std::filesystem::path file_;
  std::int64_t steps_;
  bool with_gpu_;
  TimeTable& times_;
  std::int64_t begun_ = 0;  ///< steps of this process
  std::int64_t first_ = 0, last_ = 0;
  bool running_ = false;
  std::vector<std::unique_ptr<at::RecordFunction>> spans_;  ///< open ones, innermost last
};

}  // namespace medseg
