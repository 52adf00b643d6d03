#include "medseg/training/options.h"

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

void check_sources(const std::string& path, const std::vector<DataSource>& sources) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].manifest.empty())
      throw ConfigError(str_cat(path, "[", i, "].manifest"), "missing");
  }
}

void check_optimizer(const OptimizerOptions& optimizer) {
  if (optimizer.betas.size() != 2) {
    throw ConfigError("train.optimizer.betas",
                      str_cat("expected two numbers, got ", optimizer.betas.size()));
  }
  for (const double beta : optimizer.betas) {
    if (beta >= 1) throw ConfigError("train.optimizer.betas", "must be below 1");
  }
  for (std::size_t i = 0; i < optimizer.groups.size(); ++i) {
    if (optimizer.groups[i].match.empty()) {
      throw ConfigError(str_cat("train.optimizer.groups[", i, "].match"), "names no parameter");
    }
  }
}

}  // namespace

TrainConfig read_train_config(const nlohmann::json& json) {
  TrainConfig config;
  read_options(json, config);
  check_train_config(config);
  return config;
}

void check_train_config(const TrainConfig& config) {
  if (config.model.empty()) throw ConfigError("model", "missing, expected the folder of a bundle");
  if (config.data.train.empty())
    throw ConfigError("data.train", "empty, expected at least one {\"manifest\": ...}");
  check_sources("data.train", config.data.train);
  check_sources("data.validation", config.data.validation);

  const TrainOptions& train = config.train;
  check_optimizer(train.optimizer);
  const auto total = train.schedule.total_steps > 0 ? train.schedule.total_steps : train.steps;
  if (train.schedule.type != ScheduleType::kConstant && train.schedule.warmup_steps >= total) {
    throw ConfigError(
        "train.schedule.warmup_steps",
        str_cat(train.schedule.warmup_steps, " of ", total, " steps leaves none to decay over"));
  }
  if (train.lora.rank > 0 && train.lora.targets.empty()) {
    throw ConfigError("train.lora.targets", "empty; \"rank\": 0 trains without adapters");
  }
  if (train.lora.rank == 0 && !train.lora.adapter.empty()) {
    throw ConfigError("train.lora.adapter", "needs train.lora.rank, its rank");
  }
}

}  // namespace medseg
