/// \file
/// The training config: every key of a file in configs/train/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/pipeline/augment.h"

namespace medseg {

struct DataSource {
  std::string manifest;
  std::string split = "train";
  double weight = 1.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("manifest", self.manifest);
    visit("split", self.split);
    visit("weight", self.weight, in_range(0, 1000),
          "visits of each record per epoch, a fraction takes turns over epochs; or as data.mixing "
          "says");
  }
};

struct DataOptions {
  std::vector<DataSource> train, validation;
  std::string mixing = "concatenate";
  double mixing_alpha = 0.5;
  bool shuffle = true;
  std::int64_t max_tokens = 512;
  std::string long_records = "refuse";
  std::int64_t workers = 1;
  double balance = 0.0;
  double absent_weight = 1.0;
  bool group_by_length = false;
  double cache_gb = 4.0;
  std::string cache_dir, cache_dtype;
  AugmentOptions augment;
  std::string on_bad_sample = "stop";
  std::int64_t quarantine_limit = 10;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("train", self.train);
    visit("validation", self.validation);
    visit("mixing", self.mixing, {},
          "\"concatenate\": one epoch of all sources; else each source has epochs of its own and a "
          "share of the draws: its weight (\"weights\"), or weight x records^mixing_alpha "
          "(\"temperature\")");
    visit("mixing_alpha", self.mixing_alpha, in_range(0, 1),
          "1: sources come by their sizes, 0: all alike (alpha of XLM, 1 / T of T5)");
    visit("shuffle", self.shuffle, {}, "a new order every epoch; false: manifest order");
    visit("max_tokens", self.max_tokens, at_least(8),
          "longest dialogue, the picture's tokens included; nothing is ever cut");
    visit("long_records", self.long_records, {},
          "\"refuse\" stops before training, \"drop\" leaves them out with a count");
    visit("workers", self.workers, in_range(0, 64), "loader threads; 0: the loop loads for itself");
    visit("balance", self.balance, in_range(0, 1),
          "records of rare targets come more often: visits x (count of the commonest / count of "
          "the rarest target)^balance");
    visit("absent_weight", self.absent_weight, in_range(0, 100),
          "visits x this for records that ask for absent structures");
    visit("group_by_length", self.group_by_length, {},
          "batches of dialogues of similar length, chosen within stretches of 16 batches");
    visit("cache_gb", self.cache_gb, in_range(0, 4096),
          "memory for features of the frozen encoders");
    visit("cache_dir", self.cache_dir, {},
          "a folder that keeps these features for later runs and other processes; \"\": none");
    visit("cache_dtype", self.cache_dtype, {},
          "what they are stored in, in memory and there: \"fp32\", \"bf16\" or \"fp16\"; \"\": "
          "train.precision");
    visit("augment", self.augment);
    visit("on_bad_sample", self.on_bad_sample, {},
          "a training record that cannot be read (its line, picture or masks) \"stop\"s the run "
          "(exit 3), or \"quarantine\": it is left out and another takes its place");
    visit("quarantine_limit", self.quarantine_limit, at_least(0),
          "records that \"quarantine\" may leave out in the whole run; one more stops it");
  }
};

struct LoraOptions {
  std::int64_t rank = 8;
  double alpha = 16;
  bool rslora = false;
  double dropout = 0.05;
  std::vector<std::string> targets = {"q_proj", "v_proj"};
  std::string adapter;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("rank", self.rank, at_least(0), "0: no adapters");
    visit("alpha", self.alpha, at_least(0), "an adapter's output is scaled by alpha / rank");
    visit("rslora", self.rslora, {},
          "scale by alpha / sqrt(rank) instead: high ranks learn as fast as low ones (arXiv "
          "2312.03732)");
    visit("dropout", self.dropout, in_range(0, 0.99));
    visit("targets", self.targets, {},
          "projections of the language model: last parts of names (\"q_proj\"), or globs over "
          "whole names (\"*\", \"model.layers.[0-3].*.q_proj\")");
    visit("adapter", self.adapter, {},
          "a PEFT folder to start from; rank, alpha and targets must be its own");
  }
};

/// Parameters that one of `match` names train at a rate of their own; the first group that matches counts.
struct GroupOptions {
  std::vector<std::string> match;
  double lr = 0.0;
  double weight_decay = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("match", self.match, {},
          "parts of parameter names, or globs over whole names (\"model.layers.*\")");
    visit("lr", self.lr, at_least(0));
    visit("weight_decay", self.weight_decay, at_least(0));
  }
};

struct OptimizerOptions {
  std::string type = "adamw";
  double lr = 3e-4;
  std::vector<double> betas = {0.9, 0.95};
  double eps = 1e-8;
  double weight_decay = 0.0;
  double clip_grad_norm = 1.0;
  bool shard = false;
  std::vector<GroupOptions> groups;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("type", self.type, {}, "\"adamw\"");
    visit("lr", self.lr, at_least(0), "peak rate of what no group matches");
    visit("betas", self.betas, in_range(0, 1));
    visit("eps", self.eps, at_least(0));
    visit("weight_decay", self.weight_decay, at_least(0));
    visit("clip_grad_norm", self.clip_grad_norm, at_least(0),
          "largest global L2 norm of a gradient; 0: no clipping");
    visit("shard", self.shard, {},
          "each of several processes keeps the moments of a share of the parameters (ZeRO-1, arXiv "
          "1910.02054); checkpoints and numbers are the same");
    visit("groups", self.groups, {},
          "[{\"match\": [...], \"lr\": ..., \"weight_decay\": ...}], first match wins");
  }
};

struct ScheduleOptions {
  std::string type = "linear";
  std::int64_t warmup_steps = 100;
  std::int64_t total_steps = 0;
  double min_ratio = 0.0, power = 2.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("type", self.type, {},
          "\"linear\", \"cosine\", \"polynomial\" or \"constant\" after the warm-up");
    visit("warmup_steps", self.warmup_steps, at_least(0), "optimiser steps, not micro-batches");
    visit("total_steps", self.total_steps, at_least(0), "where the rate ends; 0: train.steps");
    visit("min_ratio", self.min_ratio, in_range(0, 1), "last rate divided by the peak rate");
    visit("power", self.power, in_range(0, 16),
          "of \"polynomial\": 1 is linear, 2 falls faster at first");
  }
};

struct LossOptions {
  double text = 1.0, bce = 2.0, dice = 0.5, prompt_gradient = 1.0, label_smoothing = 0.0;
  double focal = 0.0, focal_gamma = 2.0, focal_alpha = 0.25, boundary = 0.0;
  std::string reduction = "micro_batch_mean";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("text", self.text, at_least(0), "weight of the cross entropy over the answers' tokens");
    visit("bce", self.bce, at_least(0), "weight of the masks' binary cross entropy");
    visit("dice", self.dice, at_least(0), "weight of the masks' Dice loss");
    visit(
        "focal", self.focal, at_least(0),
        "weight of the masks' focal loss (arXiv 1708.02002), the mean over pixels of -a (1 - p)^g "
        "log p; SAM's recipe has 20, with Dice 1 and no bce");
    visit("focal_gamma", self.focal_gamma, in_range(0, 16), "g; 0 is cross entropy");
    visit("focal_alpha", self.focal_alpha, in_range(-1, 1),
          "a on a mask, 1 - a elsewhere; below 0: 1 everywhere");
    visit("boundary", self.boundary, at_least(0),
          "weight of the masks' boundary loss (arXiv 1812.07032), the mean over pixels of p times "
          "the signed distance to the mask in pixels; its authors take 0.01 beside a Dice loss");
    visit("prompt_gradient", self.prompt_gradient, at_least(0),
          "share of the masks' gradient that reaches the language model; the segmentation head "
          "gets all");
    visit("label_smoothing", self.label_smoothing, in_range(0, 0.99),
          "share of each text label that is spread over the whole vocabulary, as in PyTorch");
    visit("reduction", self.reduction, {},
          "\"micro_batch_mean\": a step is the mean of its micro-batches' losses");
  }
};

struct EmaOptions {
  double decay = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("decay", self.decay, in_range(0, 0.999999),
          "moving average of what trains, used by evaluation and the saved bundles; 0: none");
  }
};

/// Loss scaling for "fp16" (grad_scaler.h); the defaults are those of torch.amp.GradScaler.
struct ScalerOptions {
  double init_scale = 65536, growth = 2.0, backoff = 0.5;
  std::int64_t growth_interval = 2000;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("init_scale", self.init_scale, in_range(1e-30, 1e38),
          "what losses are multiplied by at first, so that gradients fit fp16");
    visit("growth", self.growth, in_range(1, 1e6),
          "times this after growth_interval steps without an overflow");
    visit("backoff", self.backoff, in_range(1e-6, 1), "times this after an overflow");
    visit("growth_interval", self.growth_interval, in_range(1, 1e9), "optimiser steps");
  }
};

/// Further masks decoded with remembered prompts (replay.h).
struct ReplayOptions {
  std::int64_t masks = 0, memory = 8, pool = 1;
  double weight = 1.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("masks", self.masks, at_least(0),
          "per optimiser step, beside those of its dialogues; 0: off");
    visit("memory", self.memory, at_least(1), "latest prompts kept per target");
    visit("pool", self.pool, in_range(1, 8),
          "cells of the feature grid averaged to one, each way: 2 costs a quarter");
    visit("weight", self.weight, at_least(0), "of their loss, beside the dialogues' own");
  }
};

/// Several processes (comm/); what they compute together does not depend on their number.
struct DistributedOptions {
  double timeout_s = 600.0, bucket_mb = 25.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("timeout_s", self.timeout_s, in_range(1, 1e6),
          "how long processes wait for one that does not come, before all end with exit code 5");
    visit("bucket_mb", self.bucket_mb, in_range(0.001, 1e5),
          "gradients sent together, while backward computes the next");
  }
};

struct TrainOptions {
  std::int64_t steps = 5000, batch_size = 2, accumulation = 10;
  std::string device = "cpu", precision = "bf16";
  std::string frozen_storage = "precision", activation_checkpointing = "none";
  std::int64_t seed = 0, threads = 0;
  std::vector<std::string> trainable = {"lm_head", "embed_tokens", "mask_decoder",
                                        "text_hidden_fcs"};
  std::string token_rows = "all";
  bool standardise_vision = false;
  LoraOptions lora;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  LossOptions loss;
  EmaOptions ema;
  ScalerOptions scaler;
  std::string non_finite = "stop";
  std::int64_t non_finite_limit = 10;
  ReplayOptions replay;
  DistributedOptions distributed;
  std::int64_t evaluate_every = 500, evaluate_limit = 0, show_answers = 4;
  std::int64_t save_every = 500, keep = 2;
  std::string best = "dice_over_targets";
  std::vector<std::string> also_best;
  double time_limit_s = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("steps", self.steps, at_least(1), "optimiser steps");
    visit("batch_size", self.batch_size, at_least(1), "dialogues per micro-batch");
    visit("accumulation", self.accumulation, at_least(1),
          "micro-batches per optimiser step; several processes divide them among each other");
    visit("device", self.device, {}, "\"cpu\" or \"cuda\"");
    visit(
        "precision", self.precision, {},
        "\"bf16\" or \"fp16\" (autocast; frozen matrices stored so, what trains in fp32; fp16 with "
        "loss scaling), or \"fp32\"");
    visit("frozen_storage", self.frozen_storage, {},
          "how the language model's frozen projections are kept: as train.precision says, in "
          "\"int8\" "
          "(a scale a row) or in \"nf4\" (4 bits, a scale a block of 64), which is QLoRA (arXiv "
          "2305.14314); the run's bundles hold the rounded values, which it trained beside");
    visit(
        "activation_checkpointing", self.activation_checkpointing, {},
        "\"blocks\": each layer of the language model keeps its input alone and runs again in the "
        "backward pass; the same bits, less memory, more time");
    visit("seed", self.seed, at_least(0));
    visit("threads", self.threads, in_range(0, 1024),
          "of each process; 0: as many as the machine has cores, or as the launcher gave it");
    visit("trainable", self.trainable, {},
          "parts of names of parameters that train, beside the adapters, or globs over whole names "
          "(\"model.layers.*\")");
    visit("token_rows", self.token_rows, {},
          "\"new\": of embed_tokens and lm_head only the rows of added tokens; \"all\"");
    visit("standardise_vision", self.standardise_vision, {},
          "the projector trains on features of mean 0 and deviation 1 a channel; saved weights are "
          "those for plain features");
    visit("lora", self.lora);
    visit("optimizer", self.optimizer);
    visit("schedule", self.schedule);
    visit("loss", self.loss);
    visit("ema", self.ema);
    visit("scaler", self.scaler);
    visit(
        "non_finite", self.non_finite, {},
        "a loss or gradient that is not finite \"stop\"s the run (exit 5), or \"skip\": the step's "
        "gradients are dropped");
    visit("non_finite_limit", self.non_finite_limit, at_least(0),
          "steps that \"skip\" may drop in the whole run; one more stops it");
    visit("replay", self.replay);
    visit("distributed", self.distributed);
    visit("evaluate_every", self.evaluate_every, at_least(0), "steps; 0: only after the last");
    visit("evaluate_limit", self.evaluate_limit, at_least(0),
          "records per validation split; 0: all");
    visit("show_answers", self.show_answers, in_range(0, 1000),
          "answers per validation split and evaluation as pictures, for TensorBoard and the run's "
          "page");
    visit("save_every", self.save_every, at_least(0), "steps; 0: only after the last");
    visit("keep", self.keep, at_least(1), "newest checkpoints that stay, beside the best");
    visit("best", self.best, {}, "score that chooses best/: dice_over_targets, giou, ciou or dice");
    visit("also_best", self.also_best, {},
          "further scores whose best checkpoints stay, each behind a link best-SCORE");
    visit("time_limit_s", self.time_limit_s, at_least(0),
          "after so many seconds the run ends as if at its last step; 0: never");
  }
};

struct TrainConfig {
  std::string model;
  DataOptions data;
  TrainOptions train;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("model", self.model, {}, "a bundle");
    visit("data", self.data);
    visit("train", self.train);
  }
};

/// Reads and checks. \throws ConfigError with the dotted path of the fault.
TrainConfig read_train_config(const nlohmann::json& json);

/// What single ranges cannot say: known words, two betas, a warm-up that fits, sources that are there.
/// \throws ConfigError with the dotted path of the fault.
void check_train_config(const TrainConfig& config);

}  // namespace medseg
