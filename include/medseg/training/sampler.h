/// \file
/// Which sample comes when: a fixed function of (seed, epoch), so that a run resumes in the middle of an epoch from one
/// number, the count of samples drawn so far.
#pragma once

#include <cstdint>
#include <vector>

namespace medseg {

struct SamplerOptions {
  std::vector<double> visits;  ///< of each sample per epoch; 1 is once, 2.4 twice or three times
  std::vector<std::int64_t> lengths;  ///< tokens of each sample; for grouping, may be empty
  std::int64_t batch_size = 1;
  bool shuffle = true;
  bool group_by_length = false;
  std::uint64_t seed = 0;
};

class Sampler {
 public:
  explicit Sampler(SamplerOptions options);

  /// The samples of an epoch in order. After e epochs a sample with v visits has come floor(e v) or ceil(e v) times.
  std::vector<std::size_t> epoch(std::uint64_t index) const;

  /// Goes to where `drawn` samples have been taken since the start.
  void seek(std::uint64_t drawn);
  std::vector<std::size_t> next(std::size_t count);
  std::uint64_t drawn() const { return drawn_; }
  std::uint64_t epoch_index() const { return epoch_; }

 private:
  void group(std::vector<std::size_t>& order, std::uint64_t index) const;

  SamplerOptions options_;
  std::vector<double> phase_;       ///< when in its period a fractional sample comes
  std::vector<std::size_t> order_;  ///< of the epoch under way
  std::uint64_t epoch_ = 0, drawn_ = 0;
  std::size_t place_ = 0;
};

}  // namespace medseg
