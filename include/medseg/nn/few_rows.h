/// \file
/// Products of a few rows with a large matrix, as decoding needs them: every weight is read once,
/// where it lies, whatever its format, and serves all rows.
///
/// A row's result is computed in float32, in an order that depends neither on the other rows nor
/// on the number of threads: a dialogue has the same bits alone and in a batch.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>
#include <c10/core/ScalarType.h>

namespace medseg {

namespace few_rows {
struct Pairs;
}

/// True if `dots` can read the matrix in place: two axes, contiguous, float32 or bfloat16, in the
/// CPU's memory.
bool is_readable_by_rows(const at::Tensor& weight);

/// The rows that are multiplied, [rows, width] float32. They are written in natural order; `seal`
/// then makes the orders in which `dots` reads them.
class FewRows {
 public:
  FewRows(std::int64_t rows, std::int64_t width);
  ~FewRows();

  std::int64_t rows() const { return rows_; }
  std::int64_t width() const { return width_; }
  float* row(std::int64_t index) { return natural_.data() + index * stride_; }
  const float* row(std::int64_t index) const { return natural_.data() + index * stride_; }
  /// Called after writing and before `dots`.
  void seal();

 private:
  friend void dots(const FewRows&, const at::Tensor&, const float*, std::int64_t, std::int64_t,
                   float*, std::int64_t);
  std::int64_t rows_, width_, stride_;   // stride: width, filled up with zeros to whole vectors
  std::vector<float> natural_, parted_;  // parted: beside bf16 weights without AMX
  std::vector<few_rows::Pairs> tiles_;   // with AMX
};

/// y[r · stride + n] = Σ x[r] · weight[n] (+ bias[n], where bias is not null), for the outputs n of
/// [begin, end). On the calling thread; the caller divides the outputs.
/// \pre is_readable_by_rows(weight), weight.size(1) == x.width()
void dots(const FewRows& x, const at::Tensor& weight, const float* bias, std::int64_t begin,
          std::int64_t end, float* y, std::int64_t stride);

/// x weightᵀ, [R, in] float32 -> [R, out] float32, on torch's threads, by `dots`.
at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight);

/// The keys and values of one head, [count, width] each, float32 or bfloat16.
struct CachedHead {
  const void* keys = nullptr;
  const void* values = nullptr;
  at::ScalarType dtype = at::kFloat;
  std::int64_t count = 0, width = 0;
};

/// One query of one head: out = softmax(q keysᵀ / √width) values. `scores` has room for 2 · count
/// numbers. On the calling thread.
void attend_to_cache(const float* q, const CachedHead& head, float* scores, float* out);

/// The least number of outputs for which waking a thread pays.
std::int64_t few_rows_grain(std::int64_t rows, std::int64_t width);

}  // namespace medseg
