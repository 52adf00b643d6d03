#include "several_processes.h"

#include "medseg/base/log.h"
#include "medseg/base/silence.h"
#include "medseg/base/str.h"
#include "medseg/comm/connect.h"
#include "medseg/comm/together.h"

namespace medseg {

void with_all_processes(const std::function<void(Comm&)>& work) {
  const auto environment = read_launch_environment();
  if (environment.rank > 0) set_silent();
  if (environment.size > 1) {
    log_info(str_cat(environment.size, " processes by ", name_of(environment.launcher),
                     ", meeting at ", environment.address, ":", environment.port));
  }
  if (environment.idle_tasks > 1) {
    log_info(str_cat("one process: the Slurm allocation has ", environment.idle_tasks,
                     " tasks, but this was not started by srun"));
  }
  const auto comm = connect(environment);
  run_together(*comm, [&] { work(*comm); });
}

}  // namespace medseg
