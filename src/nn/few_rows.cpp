#include "medseg/nn/few_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <ATen/ATen.h>

#include "few_rows_kernels.h"
#include "few_rows_tiles.h"
#include "medseg/base/error.h"
#include "medseg/nn/parallel.h"
#include "row_kernels.h"

namespace medseg {
namespace {

constexpr std::int64_t kBlock = 32;             // numbers of two vectors
constexpr std::int64_t kLeastProducts = 65536;  // fewer are done before a thread is awake

template <class T>
void dots_of(const float* x, std::int64_t x_stride, std::int64_t rows, const T* weight,
             std::int64_t width, const float* bias, std::int64_t begin, std::int64_t end, float* y,
             std::int64_t stride) {
  const auto whole = width / kBlock * kBlock;
  float sums[few_rows::kMostRows];
  // Groups of rows inside: a row of weights stays in the core's cache for all of them.
  for (auto n = begin; n < end; ++n) {
    const float added = bias != nullptr ? bias[n] : 0.0F;
    for (std::int64_t first = 0; first < rows; first += few_rows::kMostRows) {
      const auto count = std::min(few_rows::kMostRows, rows - first);
      few_rows::dot(weight + n * width, x + first * x_stride, x_stride, count, whole, width - whole,
                    sums);
      for (std::int64_t r = 0; r < count; ++r) y[(first + r) * stride + n] = sums[r] + added;
    }
  }
}

// The same by AMX, 16 outputs at a time.
void dots_in_tiles(const few_rows::Pairs* x, std::int64_t rows, const at::Tensor& matrix,
                   const float* bias, std::int64_t begin, std::int64_t end, float* y,
                   std::int64_t stride) {
  const auto width = matrix.size(1);
  const auto* weight = matrix.const_data_ptr<c10::BFloat16>();
  const amx::Session session;
  alignas(64) float sums[amx::kRows * amx::kRows];
  std::vector<c10::BFloat16> last;
  for (auto n = begin; n < end; n += amx::kRows) {
    const auto count = std::min(amx::kRows, end - n);
    const auto* from = weight + n * width;
    if (n + amx::kRows > matrix.size(0)) {  // the tile would reach behind the matrix
      last.assign(static_cast<std::size_t>(amx::kRows * width), c10::BFloat16(0.0F));
      std::copy_n(from, count * width, last.begin());
      from = last.data();
    }
    for (std::int64_t first = 0; first < rows; first += amx::kRows) {
      few_rows::dot_tiles(from, width, x + first / amx::kRows * few_rows::lines(width), sums);
      for (std::int64_t r = 0; r < std::min(amx::kRows, rows - first); ++r) {
        float* to = y + (first + r) * stride + n;
        for (std::int64_t i = 0; i < count; ++i) {
          to[i] = sums[i * amx::kRows + r];
          if (bias != nullptr) to[i] += bias[n + i];
        }
      }
    }
  }
}

}  // namespace

bool is_readable_by_rows(const at::Tensor& weight) {
  return weight.defined() && weight.dim() == 2 && weight.device().is_cpu() &&
         weight.is_contiguous() &&
         (weight.scalar_type() == at::kFloat || weight.scalar_type() == at::kBFloat16);
}

FewRows::FewRows(std::int64_t rows, std::int64_t width)
    : rows_(rows),
      width_(width),
      stride_((width + kBlock - 1) / kBlock * kBlock),
      natural_(static_cast<std::size_t>(rows * stride_), 0.0F) {
  if (!amx::usable()) {
    parted_.resize(natural_.size());
    return;
  }
  const auto groups = (rows + amx::kRows - 1) / amx::kRows;
  tiles_.resize(static_cast<std::size_t>(groups * few_rows::lines(width)));
}

FewRows::~FewRows() = default;

void FewRows::seal() {
  if (amx::usable()) {
    auto* to = tiles_.data();
    for (std::int64_t first = 0; first < rows_; first += amx::kRows) {
      few_rows::lay_tiles(row(first), stride_, std::min(amx::kRows, rows_ - first), width_, to);
      to += few_rows::lines(width_);
    }
    return;
  }
  for (std::size_t block = 0; block < natural_.size(); block += kBlock) {
    for (std::size_t i = 0; i < kBlock / 2; ++i) {
      parted_[block + i] = natural_[block + 2 * i];
      parted_[block + kBlock / 2 + i] = natural_[block + 2 * i + 1];
    }
  }
}

void dots(const FewRows& x, const at::Tensor& weight, const float* bias, std::int64_t begin,
          std::int64_t end, float* y, std::int64_t stride) {
  if (weight.scalar_type() == at::kBFloat16 && amx::usable()) {
    dots_in_tiles(x.tiles_.data(), x.rows_, weight, bias, begin, end, y, stride);
  } else if (weight.scalar_type() == at::kBFloat16) {
    dots_of(x.parted_.data(), x.stride_, x.rows_, weight.const_data_ptr<c10::BFloat16>(), x.width_,
            bias, begin, end, y, stride);
  } else {
    dots_of(x.natural_.data(), x.stride_, x.rows_, weight.const_data_ptr<float>(), x.width_, bias,
            begin, end, y, stride);
  }
}

void attend_to_cache(const float* q, const CachedHead& head, float* scores, float* out) {
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head.width)));
  float* shares = scores + head.count;
  const auto attend = [&](const auto* keys, const auto* values) {
    few_rows::score_keys(q, keys, head.count, head.width, scale, scores);
    rows::log_sum_of_exponentials(scores, shares, head.count);
    few_rows::mix_values(shares, values, head.count, head.width, out);
  };
  if (head.dtype == at::kBFloat16) {
    attend(static_cast<const c10::BFloat16*>(head.keys),
           static_cast<const c10::BFloat16*>(head.values));
  } else {
    attend(static_cast<const float*>(head.keys), static_cast<const float*>(head.values));
  }
}

std::int64_t few_rows_grain(std::int64_t rows, std::int64_t width) {
  return std::max<std::int64_t>(1, kLeastProducts / (rows * width));
}

at::Tensor few_rows_linear(const at::Tensor& x, const at::Tensor& weight) {
  MEDSEG_CHECK(x.dim() == 2 && is_readable_by_rows(weight) && weight.size(1) == x.size(1),
               "few_rows_linear: shapes or formats do not fit");
  const auto values = x.to(at::kFloat).contiguous();
  FewRows rows(x.size(0), x.size(1));
  for (std::int64_t r = 0; r < rows.rows(); ++r) {
    std::memcpy(rows.row(r), values.const_data_ptr<float>() + r * rows.width(),
                static_cast<std::size_t>(rows.width()) * sizeof(float));
  }
  rows.seal();
  const auto outputs = weight.size(0);
  auto y = at::empty({rows.rows(), outputs}, at::kFloat);
  auto* to = y.mutable_data_ptr<float>();
  parallel_for(0, outputs, few_rows_grain(rows.rows(), rows.width()),
               [&](std::int64_t begin, std::int64_t end) {
                 dots(rows, weight, nullptr, begin, end, to, outputs);
               });
  return y;
}

}  // namespace medseg
