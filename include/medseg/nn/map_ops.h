/// \file
/// Operations of a mask decoder on every cell of a map, each in one pass forward and one backward.
///
/// Maps have their channels last. bf16 maps on the CPU with a multiple of 32 channels, at most 512,
/// use the fused kernels, where sums and parameters are fp32 and GELU and its derivative are
/// polynomials within 4e-4. Other maps use the same formula in ATen.
#pragma once

#include <utility>

#include <ATen/core/Tensor.h>

namespace medseg {

/// GELU(LayerNorm(x + offset) · weight + bias): `x` [..., C], the others [C].
at::Tensor norm_gelu(const at::Tensor& x, const at::Tensor& offset, const at::Tensor& weight,
                     const at::Tensor& bias, double eps);

/// y = LayerNorm(x) · weight + bias, and y + positions: `x` [K, L, C], `positions` [L, C] without
/// gradient.
std::pair<at::Tensor, at::Tensor> norm_and_place(const at::Tensor& x, const at::Tensor& weight,
                                                 const at::Tensor& bias, double eps,
                                                 const at::Tensor& positions);

/// Σ_c GELU(x + offset) · brush: `x` [K, n, C], `offset` [C], `brush` [K, C] -> [K, n] float.
at::Tensor gelu_dot(const at::Tensor& x, const at::Tensor& offset, const at::Tensor& brush);

}  // namespace medseg
