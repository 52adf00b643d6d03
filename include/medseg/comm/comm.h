/// \file
/// What the processes of one run say to each other.
///
/// All calls are collective: every rank makes the same ones in the same order, from one thread at a time. A rank that dies,
/// leaves with an error or does not come within the timeout ends all of them: the call throws PeerLost on every other rank,
/// and a rank that waits for nobody at that moment is ended by its watch a little later (together.h).
///
/// Back-ends: one process alone, and c10d's Gloo over TCP (connect.h), with a group beside it for tensors that lie on a GPU
/// (use_on_device). Gloo's sums are deterministic: they depend on the number of processes and on the size of the tensor,
/// never on which rank comes first.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/util/intrusive_ptr.h>

#include "medseg/base/error.h"

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace medseg {

/// Another rank's end, with its exit code: 5 for one that is gone or hangs, its own for one that left with an error.
class PeerLost : public Error {
 public:
  PeerLost(int exit_code, const std::string& message, bool is_said)
      : Error(exit_code, "", message), is_said_(is_said) {}
  /// Whether another process tells the user.
  bool is_said() const { return is_said_; }

 private:
  bool is_said_;
};

class Comm {
 public:
  virtual ~Comm() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Rank 0 speaks and writes for all.
  bool leads() const { return rank() == 0; }
  bool is_alone() const { return size() == 1; }
  /// Among the processes of this machine: the GPU that is this rank's.
  virtual int local_rank() const = 0;

  /// Makes a group of all ranks, which meet at `store`. GpuPlugin::make_nccl is one.
  using MakeGroup =
      c10::intrusive_ptr<c10d::Backend> (*)(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                            int size, std::chrono::milliseconds timeout);
  /// From now on tensors that do not lie in the machine's memory go by a group of their own, made at the first of them. Its
  /// calls are waited for here, as Gloo's are, with the same timeout.
  virtual void use_on_device(MakeGroup make) = 0;

  /// A call under way. Nothing may touch its tensor before wait() has returned.
  class Pending {
   public:
    virtual ~Pending() = default;
    virtual void wait() = 0;
  };

  /// Sum over all ranks, in place; contiguous. Computed on other threads, or by the GPU, meanwhile.
  virtual std::unique_ptr<Pending> start_all_reduce(const at::Tensor& tensor) = 0;
  void all_reduce(const at::Tensor& tensor) { start_all_reduce(tensor)->wait(); }

  /// Rank `from`'s values, on all ranks; contiguous.
  virtual void broadcast(const at::Tensor& tensor, int from) = 0;

  /// Every rank's bytes, in the order of ranks.
  virtual std::vector<std::string> all_gather(const std::string& bytes) = 0;

  /// Rank 0's value, on all ranks.
  std::int64_t broadcast(std::int64_t value);
  double broadcast(double value);
  bool broadcast(bool value) { return broadcast(std::int64_t{value ? 1 : 0}) != 0; }
  /// The largest value of any rank, on all ranks.
  std::int64_t all_reduce_max(std::int64_t value);
  double all_reduce_max(double value);

  /// Returns when all ranks have come.
  void barrier() { all_gather(""); }

  /// How long later calls wait for the slowest rank.
  virtual void set_timeout(double seconds) = 0;

  /// For run_together (together.h): this rank leaves with an error. Returns whether another process tells the user.
  virtual bool leave_with(int exit_code, const std::string& message) = 0;
};

/// One process, for which every call returns what it was given.
std::unique_ptr<Comm> one_process();

}  // namespace medseg
