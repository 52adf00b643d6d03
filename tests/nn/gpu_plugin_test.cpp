#include "medseg/nn/gpu_plugin.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/HashStore.hpp>

#include "medseg/base/error.h"
#include "medseg/nn/precision.h"
#include "support/throws.h"

namespace medseg {
namespace {

TEST(CudaPlugin, WithoutAGpuThereIsOneLineThatSaysWhy) {
  const Gpu& gpu = open_gpu();
  EXPECT_EQ(gpu.plugin == nullptr, !gpu.reason.empty());
  EXPECT_EQ(&gpu, &open_gpu());
  if (gpu.plugin != nullptr) GTEST_SKIP() << "there is a GPU";
  EXPECT_EQ(std::count(gpu.reason.begin(), gpu.reason.end(), '\n'), 0) << gpu.reason;
  EXPECT_THAT(
      [] { device_named("--device", "cuda"); },
      ThrowsError<ConfigError>("--device", "\"cuda\", but " + gpu.reason + "; use \"cpu\""));
  EXPECT_EQ(at::ones({2}).sum().item<float>(), 2.0F);  // and the CPU still works
}

TEST(CudaPlugin, AFileThatIsNotThereOrNoPluginIsRefused) {
  for (const char* path : {"/nowhere/libmedseg_cuda.so", MEDSEG_BINARY}) {
    const Gpu gpu = open_gpu_plugin(path);
    EXPECT_EQ(gpu.plugin, nullptr);
    EXPECT_FALSE(gpu.reason.empty());
  }
}

// Skipped on machines without a GPU; ctest's tier "gpu".
TEST(GpuGraph, ReplaysWhatItCaptured) {
  const Gpu& gpu = open_gpu();
  if (gpu.plugin == nullptr) GTEST_SKIP() << gpu.reason;
  const auto options = at::TensorOptions(at::kFloat).device(at::kCUDA);
  const auto in = at::ones({64, 64}, options), sum = at::zeros({64, 64}, options);
  const auto graph = gpu.plugin->capture([&] { sum.add_(at::mm(in, in)); }, 2);
  sum.zero_();
  in.fill_(2.0);
  for (int i = 0; i < 3; ++i) graph->replay();
  EXPECT_TRUE(at::equal(sum.cpu(), at::full({64, 64}, 3 * 4.0 * 64)));
}

TEST(GpuNccl, OneProcessSumsWithItself) {
  const Gpu& gpu = open_gpu();
  if (gpu.plugin == nullptr) GTEST_SKIP() << gpu.reason;
  gpu.plugin->use(0);
  const auto group =
      gpu.plugin->make_nccl(c10::make_intrusive<c10d::HashStore>(), 0, 1, std::chrono::seconds(60));
  std::vector<at::Tensor> values = {
      at::arange(1000, at::TensorOptions(at::kFloat).device(at::kCUDA))};
  group->allreduce(values, {})->wait();
  EXPECT_TRUE(at::equal(values[0].cpu(), at::arange(1000, at::kFloat)));
}

}  // namespace
}  // namespace medseg
