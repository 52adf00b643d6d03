#include "medseg/nn/module.h"

#include <atomic>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include "medseg/base/error.h"
#include "medseg/nn/autocast.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/parallel.h"
#include "medseg/nn/precision.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::ElementsAre;

class Net : public Module {
 public:
  Net() {
    register_module("self_attn.q_proj", q);
    register_module("norm", norm);
    register_parameter("scale", scale, at::ones({1}));
    register_buffer("mean", mean, at::zeros({2}));
  }
  Linear q{4, 3};
  LayerNorm norm{3, 1e-5};
  at::Tensor scale, mean;
};

std::vector<std::string> names(Module& module) {
  std::vector<std::string> found;
  for (const auto& [name, tensor] : module.named_parameters()) found.push_back(name);
  return found;
}

TEST(Module, NamesParametersByTheirPlace) {
  Net net;
  EXPECT_THAT(names(net), ElementsAre("scale", "self_attn.q_proj.weight", "self_attn.q_proj.bias",
                                      "norm.weight", "norm.bias"));
  EXPECT_EQ(net.named_buffers().at(0).first, "mean");
  const auto linears = net.modules_of_type<Linear>();
  ASSERT_EQ(linears.size(), 1U);
  EXPECT_EQ(linears[0].first, "self_attn.q_proj");
  EXPECT_EQ(linears[0].second, &net.q);
}

TEST(Module, AnotherDeviceGetsEveryPart) {
  struct Tables : Net {
    void move_constants(at::Device device) override { table = table.to(device); }
    at::Tensor table = at::ones({3});
  } net;
  net.q.add_adapter(2, 4.0, 0.0);
  net.q.lora_a.set_requires_grad(true);
  const auto meta = at::Device(at::kMeta);  // needs no GPU; its tensors have only a shape
  move_to(net, meta);
  for (const auto& named : {net.named_parameters(), net.named_buffers()}) {
    for (const auto& [name, tensor] : named) EXPECT_EQ(tensor->device(), meta) << name;
  }
  EXPECT_EQ(net.named_parameters().size(), 7U);
  EXPECT_EQ(net.table.device(), meta);
  EXPECT_TRUE(net.q.lora_a.requires_grad() && net.q.lora_a.is_leaf());
}

TEST(Module, TrainReachesEveryPart) {
  Net net;
  EXPECT_FALSE(net.q.is_training());
  net.train();
  EXPECT_TRUE(net.q.is_training());
  net.train(false);
  EXPECT_FALSE(net.norm.is_training());
}

TEST(Module, CastsChosenParametersOnly) {
  Net net;
  net.q.weight.set_requires_grad(true);
  cast_parameters(net, at::kBFloat16,
                  [](const std::string&, const at::Tensor& t) { return t.dim() == 2; });
  EXPECT_EQ(net.q.weight.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(net.q.weight.requires_grad());
  EXPECT_TRUE(net.q.weight.is_leaf());
  EXPECT_EQ(net.q.bias.scalar_type(), at::kFloat);
}

TEST(Initialise, CanBeSkippedForAScope) {
  EXPECT_FALSE(initialisation_skipped());
  {
    const SkipInitialisation skip;
    EXPECT_TRUE(initialisation_skipped());
    EXPECT_EQ(Linear(4, 3).weight.sizes(), (std::vector<std::int64_t>{3, 4}));
  }
  EXPECT_FALSE(initialisation_skipped());
  EXPECT_LE(Linear(16, 3).weight.abs().max().item<float>(), 0.25F);
}

TEST(Linear, AdapterStartsWithoutEffectAndMergesExactly) {
  at::manual_seed(1);
  Linear layer(6, 5, false);
  const auto x = at::randn({2, 3, 6});
  const auto before = layer.forward(x);
  layer.add_adapter(2, 4.0, 0.0);
  EXPECT_TRUE(at::equal(layer.forward(x), before));
  EXPECT_THAT(names(layer), ElementsAre("weight", "lora_A.weight", "lora_B.weight"));
  {
    const at::NoGradGuard no_grad;
    layer.lora_b.normal_();
  }
  const auto adapted = layer.forward(x);
  const auto by_hand =
      at::linear(x, layer.weight) + 2.0 * at::linear(at::linear(x, layer.lora_a), layer.lora_b);
  EXPECT_TRUE(at::allclose(adapted, by_hand, 1e-5, 1e-6));
  EXPECT_GT((adapted - before).abs().max().item<float>(), 1e-2);
  layer.merge_adapter();
  EXPECT_THAT(names(layer), ElementsAre("weight"));
  EXPECT_TRUE(at::allclose(layer.forward(x), adapted, 1e-5, 1e-6));
}

TEST(Linear, ARankStabilisedAdapterIsScaledByTheRootOfItsRank) {
  Linear layer(6, 5, false);
  layer.add_adapter(9, 6.0, 0.0, /*rank_stabilised=*/true);
  const at::NoGradGuard no_grad;
  layer.lora_b.normal_();
  const auto expected = layer.weight + 2.0 * at::mm(layer.lora_b, layer.lora_a);
  EXPECT_TRUE(at::allclose(layer.merged_weight(), expected, 1e-6, 1e-7));
}

TEST(Linear, OnlyTheAdapterGetsAGradient) {
  Linear layer(6, 5);
  layer.add_adapter(2, 4.0, 0.5);
  layer.train();
  layer.forward(at::randn({4, 6})).sum().backward();
  EXPECT_FALSE(layer.weight.grad().defined());
  EXPECT_TRUE(layer.lora_b.grad().defined());
}

TEST(AutocastScope, NestsAndRestores) {
  Linear layer(6, 5);
  const auto x = at::randn({2, 6});
  const auto dtype = [&] { return layer.forward(x).scalar_type(); };
  EXPECT_EQ(dtype(), at::kFloat);
  {
    const AutocastScope outer(at::kCPU, at::kBFloat16);
    EXPECT_EQ(dtype(), at::kBFloat16);
    EXPECT_EQ(compute_dtype(x), at::kBFloat16);
    {
      const AutocastScope inner(at::kCPU, at::kFloat);
      EXPECT_EQ(dtype(), at::kFloat);
      const AutocastScope half(at::kCPU, at::kHalf);
      EXPECT_EQ(dtype(), at::kHalf);
    }
    EXPECT_EQ(dtype(), at::kBFloat16);
  }
  EXPECT_EQ(dtype(), at::kFloat);
  EXPECT_EQ(compute_dtype(x), at::kFloat);
}

TEST(AutocastScope, SeesANewOptimiserStep) {
  Linear layer(6, 5, false);
  layer.weight.set_requires_grad(true);
  const auto x = at::ones({1, 6});
  const auto run = [&] {
    const AutocastScope scope(at::kCPU, at::kBFloat16);
    return layer.forward(x).detach().to(at::kFloat);
  };
  run();
  {
    const at::NoGradGuard no_grad;
    layer.weight.fill_(1.0);
  }
  EXPECT_TRUE(at::equal(run(), at::full({1, 5}, 6.0)));
}

TEST(AutocastScope, TakesWeightsStoredNarrow) {
  for (const auto dtype : {at::kBFloat16, at::kHalf}) {
    Linear layer(6, 5);
    cast_parameters(layer, dtype,
                    [](const std::string&, const at::Tensor& t) { return t.dim() == 2; });
    const AutocastScope scope(at::kCPU, dtype);
    layer.add_adapter(2, 4.0, 0.5);
    layer.train();
    const auto y = layer.forward(at::randn({2, 6}));
    EXPECT_EQ(y.scalar_type(), dtype);
    y.sum().backward();
    EXPECT_EQ(layer.lora_b.grad().scalar_type(), at::kFloat);
  }
}

TEST(Precision, IsAWordOfThree) {
  EXPECT_EQ(precision_named("x", "bf16"), at::kBFloat16);
  EXPECT_EQ(precision_named("x", "fp16"), at::kHalf);
  EXPECT_EQ(precision_named("x", "fp32"), at::kFloat);
  EXPECT_THAT([] { precision_named("train.precision", "fp61"); },
              ThrowsError<ConfigError>("train.precision",
                                       "unknown precision \"fp61\" (did you mean \"fp16\"?); "
                                       "known are bf16 fp16 fp32"));
  EXPECT_EQ(dtype_of(Precision::kBf16), at::kBFloat16);
  EXPECT_EQ(device_of("x", DeviceKind::kCpu), at::Device(at::kCPU));
  EXPECT_EQ(device_named("x", "cpu"), at::Device(at::kCPU));
  EXPECT_THROW(device_named("x", "gpu"), ConfigError);
  if (!at::hasCUDA()) EXPECT_THROW(device_named("x", "cuda"), ConfigError);
}

TEST(ParallelFor, CoversTheRangeOnce) {
  std::vector<std::atomic<int>> seen(1000);
  parallel_for(0, 1000, 10, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) ++seen[static_cast<std::size_t>(i)];
  });
  for (const auto& count : seen) EXPECT_EQ(count, 1);
}

TEST(ParallelFor, UsesTorchsThreads) {
  if (at::get_num_threads() < 2) GTEST_SKIP() << "one thread";
  std::atomic<int> pieces = 0;
  parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) { ++pieces; });
  EXPECT_EQ(pieces, 2);
}

TEST(ParallelFor, PassesExceptionsOn) {
  EXPECT_THROW(
      parallel_for(0, 100, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("no"); }),
      std::runtime_error);
}

}  // namespace
}  // namespace medseg
