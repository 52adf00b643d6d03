#include "medseg/training/step_profile.h"

#include <cstdlib>
#include <fstream>

#include <ATen/record_function.h>
#include <torch/csrc/autograd/profiler_kineto.h>

#include "medseg/base/log.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
namespace profiler = torch::autograd::profiler;
using torch::profiler::impl::ActivityType;

std::set<ActivityType> activities(bool with_gpu) {
  std::set<ActivityType> kinds = {ActivityType::CPU};
  if (with_gpu) kinds.insert(ActivityType::CUDA);
  return kinds;
}

// The profiler does not report that a disk was full.
bool ends_as_json(const fs::path& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : 0;
  std::string tail(static_cast<std::size_t>(std::min<std::streamoff>(size, 16)), '\0');
  file.seekg(size - static_cast<std::streamoff>(tail.size()));
  file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  return trim(tail).ends_with('}');
}

}  // namespace

StepProfile::StepProfile(fs::path file, std::int64_t steps, bool with_gpu, TimeTable& times)
    : file_(std::move(file)), steps_(steps), with_gpu_(with_gpu), times_(times) {
  // Without this the profiler prints an error on stderr if there is no GPU.
  if (steps_ > 0) ::setenv("KINETO_LOG_LEVEL", "5", /*overwrite=*/0);
}

StepProfile::~StepProfile() {
  if (running_) write();
}

void StepProfile::start() {
  using torch::profiler::impl::ProfilerConfig;
  using torch::profiler::impl::ProfilerState;
  const ProfilerConfig config(ProfilerState::KINETO, /*report_input_shapes=*/true);
  profiler::prepareProfiler(config, activities(with_gpu_));
  profiler::enableProfiler(
      config, activities(with_gpu_),
      {at::RecordScope::FUNCTION, at::RecordScope::USER_SCOPE, at::RecordScope::BACKWARD_FUNCTION});
  times_.observe(
      {.on_begin = [this](const std::string& part) { open(part); }, .on_end = [this] { close(); }});
  running_ = true;
}

void StepProfile::begin(std::int64_t step) {
  ++begun_;
  if (steps_ == 0 || begun_ <= kWarmUp) return;
  if (!running_) {
    if (begun_ > kWarmUp + 1) return;  // already written
    start();
    first_ = step;
  }
  at::enableRecordFunction(true);
  last_ = step;
  open(str_cat("step ", step));
}

void StepProfile::end() {
  if (!running_) return;
  close();
  at::enableRecordFunction(false);  // until the next step
  if (last_ - first_ + 1 >= steps_) write();
}

void StepProfile::open(const std::string& name) {
  spans_.push_back(std::make_unique<at::RecordFunction>(at::RecordScope::USER_SCOPE));
  if (spans_.back()->isActive()) spans_.back()->before(name);
}

void StepProfile::close() {
  if (!spans_.empty()) spans_.pop_back();
}

void StepProfile::write() {
  running_ = false;
  times_.observe({});
  while (!spans_.empty()) close();  // of a step that ended with an error
  at::enableRecordFunction(true);
  const fs::path temporary = file_.string() + ".tmp";
  std::error_code error;
  try {
    profiler::disableProfiler()->save(temporary.string());
    if (ends_as_json(temporary)) {
      fs::rename(temporary, file_, error);
      if (!error) {
        log_info(str_cat("profile: steps ", first_, " to ", last_, " -> ", file_.string()));
        return;
      }
    }
  } catch (const std::exception&) {  // the warning below
  }
  fs::remove(temporary, error);
  log_warning(file_.string() + ": cannot write; the run goes on without its profile");
}

}  // namespace medseg
