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

/// Records steps with LibTorch's profiler and writes them in Chrome's trace format
/// (chrome://tracing, ui.perfetto.dev): spans "step N", in these the parts of the TimeTable
/// ("language forward", "backward", …), in these the operators with the shapes of their inputs;
/// with a GPU its kernels too. Not recorded are the first kWarmUp steps of a process, which fill
/// the allocator and caches, and what runs between steps (evaluation, saves). The results of the
/// run are the same with it.
///
/// Used by the thread that takes the steps. A file that cannot be written gives a warning, and the
/// run goes on.
class StepProfile {
 public:
  static constexpr std::int64_t kWarmUp = 2;

  /// With `steps` 0 it is off and nothing below does anything. `times` must outlive it.
  StepProfile(std::filesystem::path file, std::int64_t steps, bool with_gpu, TimeTable& times);
  /// Writes the steps recorded so far, if the run ends before all are.
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  /// `step` counts from 1.
  void begin(std::int64_t step);
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
  std::int64_t begun_ = 0;  ///< steps that this process has begun
  std::int64_t first_ = 0, last_ = 0;
  bool running_ = false;
  std::vector<std::unique_ptr<at::RecordFunction>> spans_;  ///< open ones, innermost last
};

}  // namespace medseg
