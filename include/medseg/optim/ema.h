/// \file
/// An average of the weights along the way.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "medseg/optim/optimizer.h"

namespace medseg {

/// Exponential moving average of what trains; `decay` rises to its value over the first steps, so that the first values
/// do not weigh for long: min(decay, (1 + t) / (10 + t)).
class Ema {
 public:
  Ema(double decay, const std::vector<TrainedParameter>& parameters);

  bool on() const { return decay_ > 0; }
  void update(std::int64_t step);

  /// While one lives, the averages stand in the model.
  class Averaged {
   public:
    explicit Averaged(Ema& ema) : ema_(ema) { ema_.swap(); }
    ~Averaged() { ema_.swap(); }
    Averaged(const Averaged&) = delete;
    Averaged& operator=(const Averaged&) = delete;

   private:
    Ema& ema_;
  };

  /// "ema.NAME", to save or to copy into.
  std::vector<std::pair<std::string, at::Tensor>> state() const;

 private:
  void swap();  ///< the averages and the values in the model change places

  double decay_;
  std::vector<TrainedParameter> parameters_;
  std::vector<at::Tensor> averages_;
};

}  // namespace medseg
