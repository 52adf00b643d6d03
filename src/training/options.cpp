#include "medseg/training/options.h"

#include <algorithm>

#include "medseg/nn/precision.h"

namespace medseg {
namespace {

void require_word(const std::string& path, const std::string& word,
                  const std::vector<std::string>& known) {
  if (std::find(known.begin(), known.end(), word) == known.end()) {
    throw ConfigError(path + ": unknown \"" + word + "\"" + did_you_mean(word, known));
  }
}

void check_sources(const std::string& path, const std::vector<DataSource>& sources) {
  for (std::size_t i = 0; i < sources.size(); ++i) {
    if (sources[i].manifest.empty())
      throw ConfigError(str_cat(path, "[", i, "].manifest: missing"));
  }
}

void check_optimizer(const OptimizerOptions& optimizer) {
  require_word("train.optimizer.type", optimizer.type, {"adamw"});
  if (optimizer.betas.size() != 2) {
    throw ConfigError(
        str_cat("train.optimizer.betas: expected two numbers, got ", optimizer.betas.size()));
  }
  for (const double beta : optimizer.betas) {
    if (beta >= 1) throw ConfigError("train.optimizer.betas: must be below 1");
  }
  for (std::size_t i = 0; i < optimizer.groups.size(); ++i) {
    if (optimizer.groups[i].match.empty()) {
      throw ConfigError(str_cat("train.optimizer.groups[", i, "].match: names no parameter"));
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
  if (config.model.empty()) throw ConfigError("model: missing, expected the folder of a bundle");
  if (config.data.train.empty())
    throw ConfigError("data.train: empty, expected at least one {\"manifest\": ...}");
  check_sources("data.train", config.data.train);
  check_sources("data.validation", config.data.validation);

  const TrainOptions& train = config.train;
  require_word("train.device", train.device, {"cpu", "cuda"});
  require_word("train.precision", train.precision, precision_names());
  require_word("train.frozen_storage", train.frozen_storage, {"precision", "int8", "nf4"});
  require_word("train.activation_checkpointing", train.activation_checkpointing,
               {"none", "blocks"});
  require_word("train.non_finite", train.non_finite, {"stop", "skip"});
  require_word("train.token_rows", train.token_rows, {"all", "new"});
  require_word("train.loss.reduction", train.loss.reduction, {"micro_batch_mean"});
  require_word("train.schedule.type", train.schedule.type,
               {"linear", "cosine", "polynomial", "constant"});
  const std::vector<std::string> scores = {"dice_over_targets", "giou", "ciou", "dice"};
  require_word("train.best", train.best, scores);
  for (const auto& name : train.also_best) require_word("train.also_best", name, scores);
  check_optimizer(train.optimizer);
  const auto total = train.schedule.total_steps > 0 ? train.schedule.total_steps : train.steps;
  if (train.schedule.type != "constant" && train.schedule.warmup_steps >= total) {
    throw ConfigError(str_cat("train.schedule.warmup_steps: ", train.schedule.warmup_steps, " of ",
                              total, " steps leaves none to decay over"));
  }
  if (train.lora.rank > 0 && train.lora.targets.empty()) {
    throw ConfigError("train.lora.targets: empty; \"rank\": 0 trains without adapters");
  }
  if (train.lora.rank == 0 && !train.lora.adapter.empty()) {
    throw ConfigError("train.lora.adapter: needs train.lora.rank, its rank");
  }
}

}  // namespace medseg
