/// \file
/// Communication between the processes of one run.
///
/// All calls are collective: every rank makes the same ones in the same order, from one thread at a
/// time. All ranks end if one dies, leaves with an error or does not come within the timeout. The
/// call then throws PeerLost on every other rank. A rank that is in no call at that moment is ended
/// by its watch a little later (together.h).
///
/// Back-ends: one process alone, and c10d's Gloo over TCP (connect.h), with a second group for
/// tensors on a GPU (use_on_device). Gloo's sums are deterministic: they depend on the number of
/// processes and on the size of the tensor, never on which rank comes first.
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

/// Another rank has ended the run. The exit code is 5 if it is gone or hangs, else its own.
class PeerLost : public Error {
 public:
  PeerLost(int exit_code, const std::string& message, bool is_said)
      : Error(exit_code, "", message), is_said_(is_said) {}
  /// Whether another process prints the message.
  bool is_said() const { return is_said_; }

 private:
  bool is_said_;
};

class Comm {
 public:
  virtual ~Comm() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Rank 0 prints and writes files for all.
  bool leads() const { return rank() == 0; }
  bool is_alone() const { return size() == 1; }
  /// Rank among the processes of this machine, and the index of the GPU that this process uses.
  virtual int local_rank() const = 0;

  /// Makes a process group of all ranks, which meet at `store`, e.g. GpuPlugin::make_nccl.
  using MakeGroup =
      c10::intrusive_ptr<c10d::Backend> (*)(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                            int size, std::chrono::milliseconds timeout);
  /// From now on tensors on a GPU use a group of their own, which is made at the first call with
  /// one. Its calls are waited for here with the same timeout, as Gloo's are.
  virtual void use_on_device(MakeGroup make) = 0;

  /// A call that has begun. Nothing may touch its tensor before wait() has returned.
  class Pending {
   public:
    virtual ~Pending() = default;
    virtual void wait() = 0;
  };

  /// Sum over all ranks, in place; `tensor` is contiguous. Runs on other threads or on the GPU.
  virtual std::unique_ptr<Pending> start_all_reduce(const at::Tensor& tensor) = 0;
  void all_reduce(const at::Tensor& tensor) { start_all_reduce(tensor)->wait(); }

  /// Rank `from`'s values on all ranks; `tensor` is contiguous.
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

  /// Returns when all ranks have called it.
  void barrier() { all_gather(""); }

  /// How long later calls wait for the slowest rank, in seconds.
  virtual void set_timeout(double seconds) = 0;

  /// For run_together: this rank leaves with an error. Returns whether another process prints it.
  virtual bool leave_with(int exit_code, const std::string& message) = 0;
};

/// The communicator of one process alone: every call returns what it was given.
std::unique_ptr<Comm> one_process();

}  // namespace medseg
