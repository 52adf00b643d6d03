/// \file
/// Attention between the cells of a grid, with biases that split into rows and columns.
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// softmax(q kᵀ / √d + row_bias[row of the key] + column_bias[column of the key]) v: `q`, `k`, `v`
/// [N, h·w, d], `row_bias` [N, h·w, h], `column_bias` [N, h·w, w] -> [N, h·w, d], all of one dtype;
/// cells are in row order. Decomposed relative positions (arXiv 2112.01526, section 4.1) have this
/// form.
///
/// The [h·w, h·w] scores exist for a few of the N at a time. The backward pass computes them again;
/// otherwise each of SAM's global blocks would take a gigabyte.
at::Tensor grid_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const at::Tensor& row_bias, const at::Tensor& column_bias);

}  // namespace medseg
