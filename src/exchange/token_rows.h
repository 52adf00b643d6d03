/// \file
/// Rows of tokens that a vocabulary did not have.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace medseg {

/// Fills `rows` [V, D]: the first from `old` [v, D] float32, the new ones at the mean of the old
/// with a tenth of their spread, so that their logits are no larger than a word's. The same seed
/// gives the same rows.
void fill_token_rows(at::Tensor& rows, const at::Tensor& old, std::uint64_t seed);

}  // namespace medseg
