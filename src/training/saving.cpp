#include "saving.h"

#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kTryAgain = 10;  // steps

}  // namespace

bool Saving::attempt(std::int64_t step, bool last_chance, const std::function<void()>& write) {
  tried_ = step;
  try {
    write();
  } catch (const Error& error) {
    if (last_chance) throw;
    log_warning(str_cat("step ", step, ": not saved: ", error.what(),
                        "; the checkpoints before it stay, the run goes on and tries again"));
    failed_ = true;
    return false;
  }
  if (failed_) log_info(str_cat("step ", step, ": saved again"));
  failed_ = false;
  return true;
}

bool Saving::owed(std::int64_t step) const { return failed_ && step - tried_ >= kTryAgain; }

}  // namespace medseg
