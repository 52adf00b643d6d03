/// \file
/// Numbers of the Python originals, for every test that compares with them.
///
/// What comes from a golden file keeps its name: with MEDSEG_PARITY=FILE each comparison appends a
/// line "topic <tab> tensor <tab> largest difference <tab> relative difference", of which
/// scripts/parity.sh makes the table in tests/README.md.
#pragma once

#include <cmath>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/nn/module.h"
#include "medseg/weights/tensor_file.h"

namespace medseg::golden {

/// (topic, tensor) of the values that golden files gave out, by where they lie.
inline std::map<const void*, std::pair<std::string, std::string>>& origins() {
  static std::map<const void*, std::pair<std::string, std::string>> table;
  return table;
}

/// A file under tests/golden whose tensors are remembered; its topic is its name without the
/// ending.
class GoldenFile : public TensorFile {
 public:
  explicit GoldenFile(const std::string& name)
      : file_(open_tensor_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/" + name)),
        topic_(name.substr(0, name.rfind('.'))) {}

  const std::filesystem::path& path() const override { return file_->path(); }
  std::string format() const override { return file_->format(); }
  const std::vector<TensorInfo>& tensors() const override { return file_->tensors(); }
  const std::map<std::string, MetadataValue>& metadata() const override {
    return file_->metadata();
  }
  at::Tensor load(const std::string& name) const override {
    auto tensor = file_->load(name);
    origins()[tensor.const_data_ptr()] = {topic_, name};
    return tensor;
  }

 private:
  std::unique_ptr<TensorFile> file_;
  std::string topic_;
};

inline std::unique_ptr<TensorFile> open(const std::string& name) {
  return std::make_unique<GoldenFile>(name);
}

inline double largest_difference(const at::Tensor& got, const at::Tensor& expected) {
  if (expected.numel() == 0) return 0;
  return (got.detach().to(at::kDouble) - expected.detach().to(at::kDouble))
      .abs()
      .max()
      .item<double>();
}

/// Largest difference over largest value: the measure of the project's promise. NaN when shapes
/// differ.
inline double relative_error(const at::Tensor& got, const at::Tensor& expected) {
  if (!got.sizes().equals(expected.sizes())) return std::nan("");
  if (expected.numel() == 0) return 0;
  const auto largest = expected.abs().max().item<double>();
  return largest_difference(got, expected) / std::max(largest, 1e-30);
}

/// For the table, if it is being made and `expected` is a tensor of a golden file.
inline void record(const at::Tensor& got, const at::Tensor& expected) {
  const char* file = std::getenv("MEDSEG_PARITY");
  if (file == nullptr || !got.sizes().equals(expected.sizes()) || expected.numel() == 0) return;
  const auto origin = origins().find(expected.const_data_ptr());
  if (origin == origins().end()) return;
  const auto& [topic, tensor] = origin->second;
  append_line(file, str_cat(topic, "\t", tensor, "\t", largest_difference(got, expected), "\t",
                            relative_error(got, expected)));
}

/// Looser comparisons are of narrow types or of another question, and no part of the table.
inline constexpr double kPromise = 1e-4;

inline ::testing::AssertionResult close(const at::Tensor& got, const at::Tensor& expected,
                                        double tolerance = 1e-5) {
  if (!got.defined()) return ::testing::AssertionFailure() << "no tensor";
  const double error = relative_error(got, expected);
  if (tolerance <= kPromise) record(got, expected);
  if (error <= tolerance) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "relative error " << error << " > " << tolerance
                                       << " for " << got.sizes() << " against " << expected.sizes();
}

/// Every parameter and buffer takes its value from `prefix` + its name; names must be the same on
/// both sides.
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

/// Gradients of all parameters against `prefix` + name; a parameter without a golden one must have
/// none.
inline void expect_gradients(Module& module, const TensorFile& file, const std::string& prefix,
                             double tolerance = 2e-5) {
  // Gradients that vanish in exact arithmetic are noise in both: all are compared on one scale.
  double largest = 0;
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
