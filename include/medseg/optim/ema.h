/// \file
/// Exponential moving average of the trained parameters.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "medseg/optim/optimizer.h"

namespace medseg {

/// After step t: average = d * average + (1 - d) * parameter, with d = min(decay, (1 + t) / (10 +
/// t)). The smaller d of the first steps lets the average forget the start values soon.
class Ema {
 public:
  Ema(double decay, const std::vector<TrainedParameter>& parameters);

  /// Off with a decay of 0: then nothing is kept and nothing below does anything.
  bool on() const { return decay_ > 0; }
  void update(std::int64_t step);

  /// As long as one exists, the model computes with the averages instead of its parameters.
  class Averaged {
   public:
    explicit Averaged(Ema& ema) : ema_(ema) { ema_.swap(); }
    ~Averaged() { ema_.swap(); }
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

   private:
    Ema& ema_;
  };

  /// "ema.NAME": the tensors themselves, to save them or to copy saved ones into them.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  /// Exchanges the averages and the values in the model.
  void swap();

  double decay_;
  std::vector<TrainedParameter> parameters_;
  std::vector<at::Tensor> averages_;
};

}  // namespace medseg
