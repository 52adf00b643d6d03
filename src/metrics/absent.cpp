#include "medseg/metrics/absent.h"

#include <cmath>
#include <limits>

namespace medseg {
namespace {

double share(std::int64_t part, std::int64_t rest) {
  if (part + rest == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(part) / static_cast<double>(part + rest);
}

}  // namespace

void PresenceCounts::add(bool holds_target, bool said_to) {
  if (holds_target) {
    ++(said_to ? true_positive : false_negative);
  } else {
    ++(said_to ? false_positive : true_negative);
  }
}

double PresenceCounts::t_acc() const { return share(true_positive, false_negative); }
double PresenceCounts::n_acc() const { return share(true_negative, false_positive); }

double PresenceCounts::mcc() const {
  const auto tp = static_cast<double>(true_positive), fp = static_cast<double>(false_positive);
  const auto tn = static_cast<double>(true_negative), fn = static_cast<double>(false_negative);
  const double square = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn);
  return square == 0 ? 0 : (tp * tn - fp * fn) / std::sqrt(square);
}

}  // namespace medseg
