/// \file
/// Numbers of the Python originals, for the tests of this folder.
#pragma once

#include <set>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "medseg/nn/module.h"
#include "medseg/weights/tensor_file.h"

namespace medseg::golden {

inline std::unique_ptr<TensorFile> open(const std::string& name) {
  return open_tensor_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/" + name);
}

/// Largest difference over largest value: the measure of the project's promise. NaN when shapes differ.
inline double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  if (!got.sizes().equals(expected.sizes())) return std::nan("");
  if (expected.numel() == 0) return 0;
  const auto difference =
      (got.detach().to(at::kDouble) - expected.detach().to(at::kDouble)).abs().max();
  return difference.item<double>() / std::max(expected.abs().max().item<double>(), 1e-30);
}

inline ::testing::AssertionResult close(const at::Tensor& got, const at::Tensor& expected,
                                        double tolerance = 1e-5) {
  if (!got.defined()) return ::testing::AssertionFailure() << "no tensor";
  const double error = relative_error(got, expected);
  if (error <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "relative error " << error << " > " << tolerance
                                       << " for " << got.sizes() << " against " << expected.sizes();
}

/// Every parameter and buffer takes its value from `prefix` + its name; names must be the same on both sides.
inline void load(Module& module, const TensorFile& file, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  std::set<std::string> used;
  auto all = module.named_parameters();
  for (const auto& buffer : module.named_buffers()) all.push_back(buffer);
  for (const auto& [name, tensor] : all) {
    ASSERT_TRUE(file.contains(prefix + name)) << prefix + name;
    const auto value = file.load(prefix + name);
    ASSERT_TRUE(tensor->sizes().equals(value.sizes()))
        << name << ": " << tensor->sizes() << " " << value.sizes();
    tensor->copy_(value);
    used.insert(prefix + name);
  }
  for (const auto& info : file.tensors()) {
    if (info.name.starts_with(prefix))
      EXPECT_TRUE(used.contains(info.name)) << info.name << " is in the file only";
  }
}

inline void require_gradients(Module& module) {
  for (const auto& [name, tensor] : module.named_parameters()) tensor->set_requires_grad(true);
}

/// Gradients of all parameters against `prefix` + name; a parameter without a golden one must have none.
inline void expect_gradients(Module& module, const TensorFile& file, const std::string& prefix,
                             double tolerance = 2e-5) {
  double largest =
      0;  // gradients that vanish in exact arithmetic are noise in both: compare on the common scale
  for (const auto& info : file.tensors()) {
    if (info.name.starts_with(prefix))
      largest = std::max(largest, file.load(info.name).abs().max().item<double>());
  }
  for (const auto& [name, tensor] : module.named_parameters()) {
    if (!file.contains(prefix + name)) {
      EXPECT_FALSE(tensor->grad().defined()) << name;
      continue;
    }
    ASSERT_TRUE(tensor->grad().defined()) << name;
    const auto expected = file.load(prefix + name);
    if (expected.abs().max().item<double>() < 1e-5 * largest) {
      EXPECT_LT(tensor->grad().abs().max().item<double>(), 2e-5 * largest) << name;
    } else {
      EXPECT_TRUE(close(tensor->grad(), expected, tolerance)) << name;
    }
  }
}

}  // namespace medseg::golden
