// Blocks that run twice compared with blocks that run once: the same bits, less memory.
#include "medseg/nn/activation_checkpoint.h"

#include <memory>
#include <stdexcept>

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "medseg/nn/autocast.h"
#include "medseg/nn/gated_silu.h"
#include "medseg/nn/linear.h"
#include "medseg/nn/norm.h"
#include "medseg/nn/tensor_memory.h"

namespace medseg {
namespace {

constexpr std::int64_t kWidth = 16;

/// The parts of a decoder layer: a norm, adapters with dropout, a residual.
class Block : public Module {
 public:
  Block()
      : norm_(kWidth, 1e-5),
        up_(kWidth, 2 * kWidth, false),
        gate_(kWidth, 2 * kWidth),
        down_(2 * kWidth, kWidth, false) {
    register_module("norm", norm_);
    register_module("up", up_);
    register_module("gate", gate_);
    register_module("down", down_);
    for (Linear* layer : {&up_, &down_}) {
      layer->add_adapter(4, 8, 0.3);
      at::NoGradGuard no_grad;
      layer->lora_b.copy_(0.1 * at::randn_like(layer->lora_b));
    }
    train();
  }

  at::Tensor forward(const at::Tensor& x) const {
    const auto normed = norm_.forward(x);
    return x + down_.forward(gated_silu(gate_.forward(normed), up_.forward(normed)));
  }

  void train_all() {
    for (const auto& [name, tensor] : named_parameters()) tensor->set_requires_grad(true);
  }

 private:
  RmsNorm norm_;
  Linear up_, gate_, down_;
};

class Chain {
 public:
  explicit Chain(std::int64_t blocks) {
    at::manual_seed(3);
    for (std::int64_t i = 0; i < blocks; ++i) blocks_.push_back(std::make_unique<Block>());
  }

  at::Tensor forward(at::Tensor x, bool checkpoints) const {
    for (const auto& block : blocks_) {
      const auto run = [&block = *block](const at::Tensor& in) { return block.forward(in); };
      x = checkpoints ? checkpointed(run, x, /*trains=*/true) : run(x);
    }
    return x;
  }

  void train_all() {
    for (const auto& block : blocks_) block->train_all();
  }

  /// Gradients of all parameters, which are then cleared.
  std::vector<at::Tensor> take_gradients() {
    std::vector<at::Tensor> gradients;
    for (const auto& block : blocks_) {
      for (const auto& [name, tensor] : block->named_parameters()) {
        gradients.push_back(tensor->grad());
        tensor->mutable_grad() = at::Tensor();
      }
    }
    return gradients;
  }

 private:
  std::vector<std::unique_ptr<Block>> blocks_;
};

void expect_same(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(a[i].defined(), b[i].defined()) << i;
    if (a[i].defined()) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
  }
}

struct Case {
  at::ScalarType precision;
  bool frozen_input, everything_trains;
};
class Checkpointed : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(All, Checkpointed,
                         ::testing::Values(Case{at::kFloat, false, true},
                                           Case{at::kFloat, true, false},
                                           Case{at::kBFloat16, false, false},
                                           Case{at::kBFloat16, true, true},
                                           Case{at::kHalf, true, false}));

TEST_P(Checkpointed, GradientsAreBitForBitThoseOfAPlainPass) {
  const auto [precision, frozen_input, everything_trains] = GetParam();
  Chain chain(3);
  if (everything_trains) chain.train_all();
  std::vector<std::vector<at::Tensor>> gradients;
  std::vector<at::Tensor> results;
  for (const bool checkpoints : {false, true}) {
    at::manual_seed(11);
    auto x = at::randn({2, 5, kWidth}).set_requires_grad(!frozen_input);
    for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {  // their gradients are added
      at::Tensor y;
      {
        const AutocastScope autocast(at::kCPU, precision);
        y = chain.forward(x * 1.0, checkpoints);
      }
      results.push_back(y.detach());
      y.to(at::kFloat).square().mean().backward();
      results.push_back(at::rand({1}));  // the generator's state is the same
    }
    gradients.push_back(chain.take_gradients());
    gradients.back().push_back(x.grad());
  }
  expect_same({results.begin(), results.begin() + 4}, {results.begin() + 4, results.end()});
  expect_same(gradients[0], gradients[1]);
  std::size_t defined = 0;
  for (const auto& gradient : gradients[1]) defined += gradient.defined() ? 1 : 0;
  const std::size_t a_block = everything_trains ? 9 : 4;
  EXPECT_EQ(defined, 3 * a_block + (frozen_input ? 0 : 1));
}

TEST(Checkpoint, BackwardUnderAutocastTrainsWhatTheFirstRunCast) {
  Chain chain(2);
  std::vector<std::vector<at::Tensor>> gradients;
  for (const bool checkpoints : {false, true}) {
    at::manual_seed(5);
    const auto x = at::randn({3, kWidth});
    const AutocastScope autocast(at::kCPU, at::kBFloat16);
    chain.forward(x, checkpoints).to(at::kFloat).square().mean().backward();
    gradients.push_back(chain.take_gradients());
  }
  expect_same(gradients[0], gradients[1]);
}

TEST(Checkpoint, KeepsTheInputsAlone) {
  const std::int64_t blocks = 6, rows = 512;
  Chain chain(blocks);
  const auto x = at::randn({rows, kWidth});
  const auto state = at::globalContext().defaultGenerator(at::kCPU).get_state().numel();
  const auto input_bytes = rows * kWidth * 4;
  std::int64_t kept[2] = {}, peak[2] = {};
  for (const bool checkpoints : {false, true}) {
    const TensorMemory memory;
    {
      const auto y = chain.forward(x, checkpoints);
      kept[checkpoints] = memory.live();
      y.sum().backward();
    }
    peak[checkpoints] = memory.peak();
    chain.take_gradients();
    EXPECT_EQ(memory.live(), 0);
  }
  // One input or result and one state of the generator each, where a plain pass keeps eight times
  // an input a block.
  EXPECT_EQ(kept[1], blocks * (input_bytes + state));
  EXPECT_GT(kept[0], 8 * blocks * input_bytes);
  EXPECT_LT(peak[1], peak[0] / 2);
}

TEST(Checkpoint, Nests) {
  Chain chain(4);
  const auto x = at::randn({3, kWidth});
  std::vector<std::vector<at::Tensor>> gradients;
  for (const bool nested : {false, true}) {
    at::manual_seed(9);
    const auto inner = [&](const at::Tensor& in) { return chain.forward(in, nested); };
    (nested ? checkpointed(inner, x, true) : inner(x)).square().sum().backward();
    gradients.push_back(chain.take_gradients());
  }
  expect_same(gradients[0], gradients[1]);
}

TEST(Checkpoint, WhatNothingTrainsInRunsOnce) {
  int calls = 0;
  const auto weight = at::ones({2, 2}).set_requires_grad(true);
  const auto block = [&](const at::Tensor& x) {
    ++calls;
    return at::mm(x, weight);
  };
  const auto frozen = at::ones({2, 2});
  checkpointed(block, frozen, /*trains=*/false).sum().backward();
  EXPECT_EQ(calls, 1);
  {
    const at::NoGradGuard no_grad;
    EXPECT_FALSE(checkpointed(block, frozen, true).requires_grad());
  }
  EXPECT_EQ(calls, 2);
  checkpointed(block, frozen, true).sum().backward();
  EXPECT_EQ(calls, 4);
  // `trains` is set although no parameter requires a gradient: nothing to do, and no error.
  const auto y = checkpointed([&](const at::Tensor& x) { return x + 1; }, frozen, true);
  EXPECT_NO_THROW(y.sum().backward());
}

TEST(Checkpoint, AnErrorInTheSecondRunComesOutOfBackwardAndLeavesNothingChanged) {
  int calls = 0;
  const auto weight = at::ones({4, 4}).set_requires_grad(true);
  const auto block = [&](const at::Tensor& x) {
    if (++calls > 1) throw std::runtime_error("the second run failed");
    return at::mm(x * at::rand_like(x), weight);
  };
  at::Tensor y;
  {
    const AutocastScope autocast(at::kCPU, at::kBFloat16);
    y = checkpointed(block, at::ones({4, 4}), true);
  }
  const auto generator = at::globalContext().defaultGenerator(at::kCPU);
  const auto before = generator.get_state();
  try {
    y.sum().backward();
    ADD_FAILURE() << "no error";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("the second run failed"), std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(at::equal(before, generator.get_state()));
  EXPECT_TRUE(at::GradMode::is_enabled());
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  EXPECT_TRUE(at::autocast::is_autocast_cache_enabled());
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_THROW(
      checkpointed([](const at::Tensor&) -> at::Tensor { throw std::runtime_error("1st"); },
                   at::ones({1}), true),
      std::runtime_error);
}

TEST(Checkpoint, GradIsRefused) {
  const auto weight = at::ones({4, 4}).set_requires_grad(true);
  const auto x = at::ones({4, 4}).set_requires_grad(true);
  const auto block = [&](const at::Tensor& in) { return at::mm(in, weight); };
  for (const auto& wanted : {weight, x}) {
    const auto y = checkpointed(block, x, true);
    EXPECT_THROW(torch::autograd::grad({y.sum()}, {wanted}), c10::Error);
  }
  EXPECT_FALSE(weight.grad().defined());
}

TEST(TensorMemory, CountsWhatIsMadeWhileItLives) {
  auto before = at::zeros({1000});
  const TensorMemory memory;
  before = at::Tensor();
  EXPECT_EQ(memory.live(), 0);
  auto a = at::zeros({1024});
  {
    const auto b = at::zeros({2048});
    EXPECT_EQ(memory.live(), 3 * 4096);
  }
  EXPECT_EQ(memory.live(), 4096);
  EXPECT_EQ(memory.peak(), 3 * 4096);
  {
    const TensorMemory inner;
    const auto c = at::zeros({10000});
    EXPECT_EQ(inner.live(), 40000);
  }
  EXPECT_EQ(memory.peak(), 3 * 4096);
}

}  // namespace
}  // namespace medseg
