#include "medseg/comm/launch.h"

#include <algorithm>
#include <cstdlib>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// Any other command would just do the same work several times.
const std::vector<std::string> kCommands = {"train", "evaluate"};

void run(const LaunchRequest& request) {
  if (std::getenv("TORCHELASTIC_RUN_ID") != nullptr)
    throw ConfigError("launch", "this process was launched itself, as one of several");
  if (!request.command.empty() &&
      std::find(kCommands.begin(), kCommands.end(), request.command.front()) == kCommands.end()) {
    throw ConfigError(
        "launch", str_cat("\"", request.command.front(), "\" does not run on several processes; ",
                          join(kCommands, " and "), " do"));
  }
  launch(request);
}

}  // namespace

void add_launch(Command& app) {
  auto request = std::make_shared<LaunchRequest>();
  auto* command =
      app.add_subcommand("launch", "Run train or evaluate on several processes of this machine");
  command->add_option("--nproc", request->processes, "processes; they divide the cores")
      ->required();
  command
      ->add_option("command", request->command, "behind --: train or evaluate, as without launch")
      ->required();
  command->footer(
      "Example: medseg launch --nproc 2 -- train configs/train/demo.json --set train.batch_size=2 "
      "--set train.accumulation=2 --out runs/two\n"
      "torchrun --no-python medseg train …, srun medseg train … and mpirun medseg train … work "
      "too; "
      "MASTER_ADDR names rank 0's machine where there are several.");
  command->callback([request] { run(*request); });
}

}  // namespace medseg
