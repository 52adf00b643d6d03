/// \file
/// Named random streams: the same (seed, name, index) gives the same numbers on every machine and
/// in every thread, independent of other streams.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace medseg {

class RandomStream {
 public:
  /// `name` is the purpose of the numbers, `index` the sample or epoch they belong to.
  RandomStream(std::uint64_t seed, std::string_view name, std::uint64_t index = 0);

  std::uint64_t next();                  ///< 64 random bits (splitmix64)
  double uniform();                      ///< [0, 1)
  double normal();                       ///< mean 0, deviation 1
  std::size_t below(std::size_t bound);  ///< 0 … bound-1 without bias; bound > 0

  template <class T>
  void shuffle(std::vector<T>& items) {  ///< Fisher-Yates
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

  std::uint64_t state() const { return state_; }
  void set_state(std::uint64_t state) { state_ = state; }

 private:
  std::uint64_t state_;
};

}  // namespace medseg
