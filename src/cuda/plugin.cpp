// libmedseg_cuda.so: everything of medseg that is linked against CUDA.
// include/medseg/nn/gpu_plugin.h is its contract.
#include <ATen/cuda/CUDAContext.h>
#include <ATen/cuda/CUDAGeneratorImpl.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#include <torch/version.h>

#include "medseg/nn/gpu_plugin.h"

namespace medseg {
namespace {

int devices() { return static_cast<int>(c10::cuda::device_count()); }

void use(int device) { c10::cuda::set_device(static_cast<c10::DeviceIndex>(device)); }

c10::intrusive_ptr<c10d::Backend> make_nccl(const c10::intrusive_ptr<c10d::Store>& store, int rank,
                                            int world, std::chrono::milliseconds timeout) {
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, rank, world, std::move(options));
}

class Graph final : public CapturedGraph {
 public:
  Graph(const std::function<void()>& work, int warm_up) {
    const auto before = c10::cuda::getCurrentCUDAStream();
    const auto side = c10::cuda::getStreamFromPool();
    {
      at::cuda::CUDAEvent ready;
      ready.record(before);
      ready.block(side);
      const c10::cuda::CUDAStreamGuard on_side(side);
      // Libraries set themselves up at their first calls, which a capture forbids.
      for (int i = 0; i < warm_up; ++i) work();
      side.synchronize();
      graph_.register_generator_state(at::cuda::detail::getDefaultCUDAGenerator());
      graph_.capture_begin();
      try {
        work();
      } catch (...) {
        graph_.capture_end();  // leaves the stream usable
        throw;
      }
      graph_.capture_end();
    }
    at::cuda::CUDAEvent captured;
    captured.record(side);
    captured.block(before);
  }

  void replay() override { graph_.replay(); }

 private:
  at::cuda::CUDAGraph graph_;
};

std::unique_ptr<CapturedGraph> capture(const std::function<void()>& work, int warm_up) {
  return std::make_unique<Graph>(work, warm_up);
}

}  // namespace
}  // namespace medseg

extern "C" __attribute__((visibility("default"))) const medseg::GpuPlugin* medseg_gpu_plugin() {
  static const medseg::GpuPlugin plugin = {
      medseg::GpuPlugin::kVersion, TORCH_VERSION,  medseg::devices, medseg::use,
      medseg::make_nccl,           medseg::capture};
  return &plugin;
}
