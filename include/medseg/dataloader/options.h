/// \file
/// The `data` part of a training config.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/base/choice.h"
#include "medseg/config/fields.h"
#include "medseg/pipeline/augment.h"

namespace medseg {

enum class Mixing { kConcatenate, kWeights, kTemperature };
template <>
struct Choice<Mixing> {
  static constexpr ChoiceNames<Mixing, 3> names = {{{Mixing::kConcatenate, "concatenate"},
                                                    {Mixing::kWeights, "weights"},
                                                    {Mixing::kTemperature, "temperature"}}};
};

enum class LongRecords { kRefuse, kDrop };
template <>
struct Choice<LongRecords> {
  static constexpr ChoiceNames<LongRecords, 2> names = {
      {{LongRecords::kRefuse, "refuse"}, {LongRecords::kDrop, "drop"}}};
};

enum class OnBadSample { kStop, kQuarantine };
template <>
struct Choice<OnBadSample> {
  static constexpr ChoiceNames<OnBadSample, 2> names = {
      {{OnBadSample::kStop, "stop"}, {OnBadSample::kQuarantine, "quarantine"}}};
};

enum class CacheDtype { kOfPrecision, kBf16, kFp16, kFp32 };
template <>
struct Choice<CacheDtype> {
  static constexpr ChoiceNames<CacheDtype, 4> names = {{{CacheDtype::kOfPrecision, ""},
                                                        {CacheDtype::kBf16, "bf16"},
                                                        {CacheDtype::kFp16, "fp16"},
                                                        {CacheDtype::kFp32, "fp32"}}};
};

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
  Mixing mixing = Mixing::kConcatenate;
  double mixing_alpha = 0.5;
  bool shuffle = true;
  std::int64_t max_tokens = 512;
  LongRecords long_records = LongRecords::kRefuse;
  std::int64_t workers = 1;
  double balance = 0.0;
  double absent_weight = 1.0;
  bool group_by_length = false;
  double cache_gb = 4.0;
  std::string cache_dir;
  CacheDtype cache_dtype = CacheDtype::kOfPrecision;
  AugmentOptions augment;
  OnBadSample on_bad_sample = OnBadSample::kStop;
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
          "longest dialogue, the image's tokens included; nothing is ever cut");
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
          "what they are stored in, in memory and in the folder; \"\": train.precision");
    visit("augment", self.augment);
    visit("on_bad_sample", self.on_bad_sample, {},
          "a training record that cannot be read (its line, image or masks) \"stop\"s the run "
          "(exit 3), or \"quarantine\": it is left out and another takes its place");
    visit("quarantine_limit", self.quarantine_limit, at_least(0),
          "records that \"quarantine\" may leave out in the whole run; one more stops it");
  }
};

}  // namespace medseg
