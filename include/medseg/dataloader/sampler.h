/// \file
/// Which sample comes when: a fixed function of the seed, so that a run resumes in the middle of an
/// epoch from one number, the count of samples drawn so far. Nothing is ever drawn with
/// replacement: an epoch of a source visits each of its samples.
///
/// One source, or several in one ("concatenate"): epochs of all samples. Several with shares: every
/// source has epochs of its own, and the next draw is from the source that lags most behind its
/// share. After any number of draws each source has had its share of them to within a draw or so
/// (the rule of Megatron-LM's blended data sets, without its tables).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace medseg {

/// One visit of a sample. What becomes of the sample depends on this and the seed alone.
struct Draw {
  std::size_t sample = 0;
  /// Number among the sample's visits; those of one epoch come in any order.
  std::uint64_t visit = 0;

  bool operator==(const Draw&) const = default;
};

struct SamplerOptions {
  std::vector<double> visits;  ///< of each sample per epoch; 1 is once, 2.4 twice or three times
  std::vector<std::int64_t> lengths;  ///< tokens of each sample; for grouping, may be empty
  std::int64_t batch_size = 1;
  bool shuffle = true;
  /// Stretches of 16 batches are sorted by length and cut into batches, whose order is shuffled (as
  /// the length-grouped sampler of Hugging Face's Trainer does with its mega-batches). A stretch
  /// has the same samples as without grouping, in another order.
  bool group_by_length = false;
  std::uint64_t seed = 0;
  std::vector<std::size_t> sources = {};  ///< of each sample, for `shares`
  /// Of the draws, by source, in any unit; empty: one epoch of all.
  std::vector<double> shares = {};
  /// For one of several processes: of every `period` samples since seek() it gets those in
  /// [first, end). 0: all.
  std::uint64_t period = 0, first = 0, end = 0;
};

/// The draws from some samples, epoch after epoch.
class EpochStream {
 public:
  /// `samples` and the visits per epoch of each; `name` goes with the seed. \pre one visit at
  /// least, unless nothing is drawn.
  EpochStream(std::vector<std::size_t> samples, std::vector<double> visits, bool shuffle,
              std::uint64_t seed, std::string name);

  /// After e epochs a sample with v visits has come floor(e v) or ceil(e v) times.
  std::vector<Draw> epoch(std::uint64_t index) const;
  std::size_t epoch_size(std::uint64_t index) const;
  void seek(std::uint64_t drawn);
  Draw next();

 private:
  std::uint64_t visits_before(std::size_t i, std::uint64_t epoch) const;

  std::vector<std::size_t> samples_;
  std::vector<double> visits_;
  bool shuffle_;
  std::uint64_t seed_;
  std::string name_;
  std::vector<double> phase_;  ///< when in its period a fractional sample comes
  std::vector<Draw> order_;    ///< of the epoch under way
  std::uint64_t epoch_ = 0;
  std::size_t next_ = 0;  ///< index in order_
};

class Sampler {
 public:
  explicit Sampler(SamplerOptions options);

  /// The draws of an epoch in order. \pre no shares.
  std::vector<Draw> epoch(std::uint64_t index) const;

  /// Goes to where `drawn` samples have been taken since the start.
  void seek(std::uint64_t drawn);
  std::vector<Draw> next(std::size_t count);
  /// Others' samples included.
  std::uint64_t drawn() const { return drawn_; }

 private:
  bool mixes() const { return !options_.shares.empty(); }
  bool is_own(std::uint64_t number) const;
  std::vector<Draw> grouped_epoch(std::uint64_t index, std::uint64_t drawn_before) const;
  std::vector<Draw> mixed_stretch(std::uint64_t index);
  std::size_t next_source();
  void group(std::vector<Draw>& order, std::size_t first, std::uint64_t index) const;

  SamplerOptions options_;
  std::vector<EpochStream> streams_;  ///< one, or one a source
  std::vector<std::uint64_t> taken_;  ///< of each source, at the end of the stretch under way
  std::vector<Draw> order_;  ///< of the stretch under way: an epoch, or a number of mixed draws
  std::uint64_t stretch_ = 0, drawn_ = 0, sought_ = 0;
  std::size_t next_ = 0;  ///< index in order_
};

}  // namespace medseg
