/// \file
/// Access to a GPU. Code that needs CUDA at link time (NCCL, graph capture) is in libmedseg_cuda.so
/// (src/cuda/). That plugin is built only where a CUDA toolkit and the wheel's CUDA libraries exist
/// and loaded only when a GPU is asked for, so the program itself runs anywhere.
///
/// Loading it loads libtorch_cuda.so with ATen's CUDA kernels. That must happen before anything
/// asks ATen about CUDA (at::hasCUDA, at::manual_seed, …), because ATen keeps its first answer for
/// the life of the process.
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

/// Work that a GPU repeats with one launch (a CUDA graph, freed with the object).
class CapturedGraph {
 public:
  virtual ~CapturedGraph() = default;
  virtual void replay() = 0;  ///< on the current stream
};

/// The table behind the plugin's only symbol, `medseg_gpu_plugin`. Both sides are compiled against
/// the same LibTorch.
struct GpuPlugin {
  static constexpr std::uint32_t kVersion = 2;

  std::uint32_t version;
  const char* torch;  ///< version of the LibTorch that the plugin was compiled against

  int (*devices)();         ///< number of GPUs; 0 without a usable driver; never throws
  void (*use)(int device);  ///< sets the calling thread's current GPU

  /// NCCL between processes that share `store`. A collective that takes longer than `timeout` ends
  /// its process.
  c10::intrusive_ptr<c10d::Backend> (*make_nccl)(const c10::intrusive_ptr<c10d::Store>& store,
                                                 int rank, int world,
                                                 std::chrono::milliseconds timeout);

  /// Runs `work` `warm_up` times on its own stream, then captures it. `work` may only touch tensors
  /// that keep their memory between replays, must not wait for the GPU, and draws random numbers
  /// from the default CUDA generator, whose state the replays advance. \throws c10::Error.
  std::unique_ptr<CapturedGraph> (*capture)(const std::function<void()>& work, int warm_up);
};

struct Gpu {
  const GpuPlugin* plugin = nullptr;  ///< null if no GPU can be used
  std::string reason;                 ///< why no GPU can be used, on one line
};

/// Opens the plugin at the first call; later calls return the same result. Thread-safe.
const Gpu& open_gpu();

/// The same for the plugin at `path`, without keeping the result. For open_gpu and its tests.
Gpu open_gpu_plugin(const std::string& path);

}  // namespace medseg
