#include "spline_resize.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>

namespace medseg {
namespace {

// Whole-sample mirror: … 2 1 | 0 1 2 … n-1 | n-2 …
std::int64_t mirror(std::int64_t i, std::int64_t n) {
  if (n == 1) return 0;
  const std::int64_t period = 2 * (n - 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

// Both steps are linear, so each axis is one small matrix: [n] -> [n] blur.
at::Tensor gaussian_matrix(std::int64_t n, double deviation) {
  auto matrix = at::zeros({n, n}, at::kDouble);
  auto cells = matrix.accessor<double, 2>();
  const auto radius = static_cast<std::int64_t>(4.0 * deviation + 0.5);
  std::vector<double> kernel;
  double sum = 0;
  for (std::int64_t k = -radius; k <= radius; ++k) {
    kernel.push_back(std::exp(-0.5 * static_cast<double>(k * k) / (deviation * deviation)));
    sum += kernel.back();
  }
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t k = -radius; k <= radius; ++k) {
      cells[i][mirror(i + k, n)] += kernel[static_cast<std::size_t>(k + radius)] / sum;
    }
  }
  return matrix;
}

// Coefficients c with sum_j B3(i - j) c_mirror(j) = x_i: (1, 4, 1) / 6, inverted.
at::Tensor spline_coefficients(std::int64_t n) {
  auto matrix = at::zeros({n, n}, at::kDouble);
  auto cells = matrix.accessor<double, 2>();
  for (std::int64_t i = 0; i < n; ++i) {
    cells[i][mirror(i - 1, n)] += 1.0 / 6;
    cells[i][i] += 4.0 / 6;
    cells[i][mirror(i + 1, n)] += 1.0 / 6;
  }
  return at::linalg_inv(matrix);
}

at::Tensor spline_matrix(std::int64_t from, std::int64_t to) {
  auto matrix = at::zeros({to, from}, at::kDouble);
  auto cells = matrix.accessor<double, 2>();
  const double step = static_cast<double>(from) / static_cast<double>(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const double x = (static_cast<double>(i) + 0.5) * step - 0.5;
    const auto floor = static_cast<std::int64_t>(std::floor(x));
    for (std::int64_t j = floor - 1; j <= floor + 2; ++j) {
      const double d = std::abs(x - static_cast<double>(j));
      const double weight =
          d < 1 ? (4 - 6 * d * d + 3 * d * d * d) / 6 : std::max(0.0, std::pow(2 - d, 3)) / 6;
      cells[i][mirror(j, from)] += weight;
    }
  }
  return matrix.matmul(spline_coefficients(from));
}

at::Tensor axis_matrix(std::int64_t from, std::int64_t to) {
  auto matrix = spline_matrix(from, to);
  const double deviation = (static_cast<double>(from) / static_cast<double>(to) - 1) / 2;
  return deviation > 0 ? matrix.matmul(gaussian_matrix(from, deviation)) : matrix;
}

}  // namespace

at::Tensor spline_resize(const at::Tensor& pixels, std::int64_t height, std::int64_t width) {
  const auto x = pixels.to(at::kDouble);
  const auto rows = axis_matrix(x.size(1), height), columns = axis_matrix(x.size(2), width);
  const auto resized = rows.matmul(x).matmul(columns.t());
  return resized.clamp(x.min(), x.max());
}

}  // namespace medseg
