// Rows of contiguous fp32 or bf16 tensors as fp32 numbers, for the fused operations.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "row_kernels.h"

namespace medseg::rows {

/// True if the fused operations support the tensor; others (CUDA, fp64, fp16) use the ATen formula.
inline bool fusible(const at::Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

/// True if a custom autograd Function has to record this call.
inline bool needs_graph(std::initializer_list<at::Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  for (const auto& input : inputs) {
    if (input.requires_grad()) return true;
  }
  return false;
}

/// One thread's reader: fp32 rows are read in place, bf16 rows through a buffer.
class Reader {
 public:
  Reader(const at::Tensor& x, std::int64_t width)
      : data_(x.const_data_ptr()), bf16_(x.scalar_type() == at::kBFloat16), width_(width) {
    if (bf16_) buffer_.resize(static_cast<std::size_t>(width));
  }
  const float* row(std::int64_t index) {
    if (!bf16_) return static_cast<const float*>(data_) + index * width_;
    widen(static_cast<const std::uint16_t*>(data_) + index * width_, buffer_.data(), width_);
    return buffer_.data();
  }

 private:
  const void* data_;
  bool bf16_;
  std::int64_t width_;
  std::vector<float> buffer_;
};

/// One thread's writer: fill the row that row() gives, then call store().
class Writer {
 public:
  Writer(const at::Tensor& y, std::int64_t width)
      : data_(y.mutable_data_ptr()), bf16_(y.scalar_type() == at::kBFloat16), width_(width) {
    if (bf16_) buffer_.resize(static_cast<std::size_t>(width));
  }
  float* row(std::int64_t index) {
    return bf16_ ? buffer_.data() : static_cast<float*>(data_) + index * width_;
  }
  /// The first `count` numbers that the row holds, to be changed and stored.
  float* loaded(std::int64_t index, std::int64_t count) {
    if (bf16_)
      widen(static_cast<const std::uint16_t*>(data_) + index * width_, buffer_.data(), count);
    return row(index);
  }
  void store(std::int64_t index) {
    if (bf16_) narrow(buffer_.data(), static_cast<std::uint16_t*>(data_) + index * width_, width_);
  }

 private:
  void* data_;
  bool bf16_;
  std::int64_t width_;
  std::vector<float> buffer_;
};

/// The smallest number of rows for which waking a thread pays.
inline std::int64_t grain(std::int64_t width) { return std::max<std::int64_t>(1, 16384 / width); }

}  // namespace medseg::rows
