/// \file
/// Adapters, optimiser, schedule, averages and loss scaling of a training config.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/config/fields.h"

namespace medseg {

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

/// Parameters that one of the patterns `match` names have a learning rate and a weight decay of
/// their own. The first group that matches counts.
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

enum class OptimizerType { kAdamW };
template <>
struct Choice<OptimizerType> {
  static constexpr ChoiceNames<OptimizerType, 1> names = {{{OptimizerType::kAdamW, "adamw"}}};
};

struct OptimizerOptions {
  OptimizerType type = OptimizerType::kAdamW;
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

enum class ScheduleType { kLinear, kCosine, kPolynomial, kConstant };
template <>
struct Choice<ScheduleType> {
  static constexpr ChoiceNames<ScheduleType, 4> names = {{{ScheduleType::kLinear, "linear"},
                                                          {ScheduleType::kCosine, "cosine"},
                                                          {ScheduleType::kPolynomial, "polynomial"},
                                                          {ScheduleType::kConstant, "constant"}}};
};

struct ScheduleOptions {
  ScheduleType type = ScheduleType::kLinear;
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

struct EmaOptions {
  double decay = 0.0;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("decay", self.decay, in_range(0, 0.999999),
          "moving average of what trains, used by evaluation and the saved bundles; 0: none");
  }
};

/// Loss scaling for fp16 (grad_scaler.h); the defaults are those of torch.amp.GradScaler.
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

}  // namespace medseg
