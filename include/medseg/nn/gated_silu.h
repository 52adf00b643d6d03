/// \file
/// The gate of LLaMA's MLP (SwiGLU, arXiv 2002.05202).
#pragma once

#include <ATen/core/Tensor.h>

namespace medseg {

/// silu(gate) · up = gate · σ(gate) · up, computed in fp32; both [..., M] and the result have one
/// dtype.
at::Tensor gated_silu(const at::Tensor& gate, const at::Tensor& up);

}  // namespace medseg
