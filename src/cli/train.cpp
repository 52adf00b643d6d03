#include "commands.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/training/trainer.h"
#include "several_processes.h"

namespace medseg {
namespace {

struct TrainArguments {
  std::filesystem::path config, out;
  std::vector<std::string> overrides;
  bool resume = false;
  std::int64_t profile = 0;
};

// The command line that would repeat this run.
std::string command_text(const TrainArguments& arguments, const std::filesystem::path& out) {
  std::string text = "medseg train " + arguments.config.string();
  for (const auto& change : arguments.overrides) text += " --set '" + change + "'";
  return text + " --out " + out.string() + (arguments.resume ? " --resume" : "");
}

// A run folder in the config's stead: its own config, with all that was set, and its own folder.
TrainArguments with_run_folder(TrainArguments arguments) {
  if (!std::filesystem::is_directory(arguments.config)) return arguments;
  const auto config = arguments.config / "config.json";
  if (!arguments.resume) {
    throw ConfigError(
        arguments.config.string(),
        str_cat("a folder; to continue its run add --resume, to repeat it name ", config.string()));
  }
  if (arguments.out.empty()) arguments.out = arguments.config;
  arguments.config = config;
  return arguments;
}

void run(const TrainArguments& given, Comm& comm) {
  const auto arguments = with_run_folder(given);
  const auto config = read_train_config(load_config(arguments.config, arguments.overrides));
  const auto out = arguments.out.empty() ? std::filesystem::path("runs") / arguments.config.stem()
                                         : arguments.out;
  train(config,
        {.out = out,
         .resume = arguments.resume,
         .command = command_text(arguments, out),
         .profile = arguments.profile},
        comm);
}

}  // namespace

void add_train(Command& app) {
  auto arguments = std::make_shared<TrainArguments>();
  auto* command =
      app.add_subcommand("train", "Train a model by a config file; results go to a run folder");
  command
      ->add_option(
          "config", arguments->config,
          "file in configs/train/, or a run's config.json; with --resume also a run folder, "
          "which keeps all that was set")
      ->required();
  command
      ->add_option("--set", arguments->overrides,
                   "a.b=value: changes the config; may be given again")
      ->no_more_values();
  command->add_option("--out", arguments->out,
                      "run folder; default: runs/ and the name of the config");
  command->add_flag("--resume", arguments->resume,
                    "continue from the newest checkpoint in the run folder");
  command
      ->add_option("--profile", arguments->profile,
                   "profile this many steps after the first two into trace.json of the run folder "
                   "(chrome://tracing, ui.perfetto.dev)")
      ->in_range(1, 1000);
  command->footer(
      "Example: medseg train configs/train/demo.json --set train.steps=300 --out runs/demo");
  command->callback(
      [arguments] { with_all_processes([&](Comm& comm) { run(*arguments, comm); }); });
}

}  // namespace medseg
