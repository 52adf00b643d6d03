/// \file
/// The gate of LLaMA's MLP (SwiGLU, arXiv 2002.05202).
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// silu(gate) · up = gate · σ(gate) · up, computed in fp32; both [..., M] and the result have one
/// dtype.
at::Tensor gated_silu(const at::Tensor& gate, const at::Tensor& up);
/// The same for one row of `width` float32 numbers, on the calling thread.
void gated_silu_row(const float* gate, const float* up, float* y, std::int64_t width);

}  // namespace medseg
