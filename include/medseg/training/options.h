/// \file
/// The training config: every key of a file in configs/train/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/dataloader/options.h"
#include "medseg/nn/precision.h"
#include "medseg/optim/options.h"

namespace medseg {

enum class LossReduction { kMicroBatchMean };
template <>
struct Choice<LossReduction> {
  static constexpr ChoiceNames<LossReduction, 1> names = {
      {{LossReduction::kMicroBatchMean, "micro_batch_mean"}}};
};

struct LossOptions {
  double text = 1.0, bce = 2.0, dice = 0.5, prompt_gradient = 1.0, label_smoothing = 0.0;
  double focal = 0.0, focal_gamma = 2.0, focal_alpha = 0.25, boundary = 0.0;
  LossReduction reduction = LossReduction::kMicroBatchMean;

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

/// More masks for the mask decoder, from remembered prompts (replay.h).
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

/// Training on several processes. Their results do not depend on the number of processes, up to the
/// rounding of sums.
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

/// How the language model's frozen projections are kept.
enum class FrozenFormat { kPrecision, kInt8, kNf4 };
template <>
struct Choice<FrozenFormat> {
  static constexpr ChoiceNames<FrozenFormat, 3> names = {{{FrozenFormat::kPrecision, "precision"},
                                                          {FrozenFormat::kInt8, "int8"},
                                                          {FrozenFormat::kNf4, "nf4"}}};
};

enum class ActivationCheckpointing { kNone, kBlocks };
template <>
struct Choice<ActivationCheckpointing> {
  static constexpr ChoiceNames<ActivationCheckpointing, 2> names = {
      {{ActivationCheckpointing::kNone, "none"}, {ActivationCheckpointing::kBlocks, "blocks"}}};
};

/// Which rows of embed_tokens and lm_head train.
enum class TokenRows { kAll, kNew };
template <>
struct Choice<TokenRows> {
  static constexpr ChoiceNames<TokenRows, 2> names = {
      {{TokenRows::kAll, "all"}, {TokenRows::kNew, "new"}}};
};

/// What becomes of a run whose loss or gradient is not finite.
enum class NonFinite { kStop, kSkip };
template <>
struct Choice<NonFinite> {
  static constexpr ChoiceNames<NonFinite, 2> names = {
      {{NonFinite::kStop, "stop"}, {NonFinite::kSkip, "skip"}}};
};

/// The scores of an evaluation that checkpoints may be chosen by.
enum class ValidationScore { kDiceOverTargets, kGiou, kCiou, kDice };
template <>
struct Choice<ValidationScore> {
  static constexpr ChoiceNames<ValidationScore, 4> names = {
      {{ValidationScore::kDiceOverTargets, "dice_over_targets"},
       {ValidationScore::kGiou, "giou"},
       {ValidationScore::kCiou, "ciou"},
       {ValidationScore::kDice, "dice"}}};
};

struct TrainOptions {
  std::int64_t steps = 5000, batch_size = 2, accumulation = 10;
  DeviceKind device = DeviceKind::kCpu;
  Precision precision = Precision::kBf16;
  FrozenFormat frozen_storage = FrozenFormat::kPrecision;
  ActivationCheckpointing activation_checkpointing = ActivationCheckpointing::kNone;
  std::int64_t seed = 0, threads = 0;
  std::vector<std::string> trainable = {"lm_head", "embed_tokens", "mask_decoder",
                                        "text_hidden_fcs"};
  TokenRows token_rows = TokenRows::kAll;
  bool standardise_vision = false;
  LoraOptions lora;
  OptimizerOptions optimizer;
  ScheduleOptions schedule;
  LossOptions loss;
  EmaOptions ema;
  ScalerOptions scaler;
  NonFinite non_finite = NonFinite::kStop;
  std::int64_t non_finite_limit = 10;
  ReplayOptions replay;
  DistributedOptions distributed;
  std::int64_t evaluate_every = 500, evaluate_limit = 0, show_answers = 4;
  std::int64_t save_every = 500, keep = 2;
  ValidationScore best = ValidationScore::kDiceOverTargets;
  std::vector<ValidationScore> also_best;
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

/// What the range of a single field cannot say: two betas, a warm-up shorter than the run, at least
/// one source.
/// \throws ConfigError with the dotted path of the fault.
void check_train_config(const TrainConfig& config);

}  // namespace medseg
