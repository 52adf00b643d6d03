/// \file
/// The door to a GPU. What needs CUDA at link time (NCCL, graph capture) is in libmedseg_cuda.so (src/cuda/), built where a
/// toolkit and the wheel's CUDA libraries are, and opened only when a GPU is asked for: the program itself runs anywhere.
///
/// Opening it loads libtorch_cuda.so, which brings ATen's CUDA kernels. That must come before anything asks ATen about CUDA
/// (at::hasCUDA, at::manual_seed, …): the first such question settles the answer for the life of the process.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <c10/util/intrusive_ptr.h>

namespace c10d {
class Backend;
class Store;
}  // namespace c10d

namespace medseg {

/// Work that a GPU repeats with one launch. Destroyed, its graph is.
class CapturedGraph {
 public:
  virtual ~CapturedGraph() = default;
  virtual void replay() = 0;  ///< on the current stream
};

/// The table behind the plugin's one symbol, `medseg_gpu_plugin`. Both sides are compiled against the same LibTorch.
struct GpuPlugin {
  static constexpr std::uint32_t kVersion = 2;

  std::uint32_t version;
  const char* torch;  ///< version of the LibTorch that the plugin was compiled against

  int (*devices)();         ///< 0 without a usable driver; never throws
  void (*use)(int device);  ///< the calling thread's current GPU from now on

  /// NCCL between processes that share `store`; each collective that takes longer than `timeout` ends its process.
  c10::intrusive_ptr<c10d::Backend> (*make_nccl)(const c10::intrusive_ptr<c10d::Store>& store,
                                                 int rank, int world,
                                                 std::chrono::milliseconds timeout);

  /// Runs `work` `warm_up` times on a stream of its own, then once more to capture it. `work` may only touch tensors that
  /// stay where they are between replays, must not wait for the GPU, and draws its random numbers from the default CUDA
  /// generator, whose state the replays advance. \throws c10::Error.
  std::unique_ptr<CapturedGraph> (*capture)(const std::function<void()>& work, int warm_up);
};

struct Gpu {
  const GpuPlugin* plugin = nullptr;  ///< null where no GPU can be used
  std::string reason;                 ///< then one line that says why
};

/// Opens the plugin at the first call; later calls tell the same. Safe from several threads.
const Gpu& open_gpu();

/// The same for a plugin at `path`, without remembering. For open_gpu and its tests.
Gpu open_gpu_plugin(const std::string& path);

}  // namespace medseg
