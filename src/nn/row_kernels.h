// Loops over one row of fp32 numbers: the inner part of the fused operations. Each is compiled for
// several instruction sets and chosen when the program starts, so one binary is fast on any
// machine.
#pragma once

#include <cstdint>

namespace medseg::rows {

// bf16 is the upper half of fp32; narrowing rounds to nearest even and keeps NaN.
void widen(const std::uint16_t* bf16, float* out, std::int64_t n);
void narrow(const float* in, std::uint16_t* bf16, std::int64_t n);

float dot(const float* a, const float* b, std::int64_t n);

/// y = x · r · w
void rms_forward(const float* x, const float* w, float r, float* y, std::int64_t n);
/// dx = r · (w · dy − x · c)
void rms_backward(const float* x, const float* w, const float* dy, float r, float c, float* dx,
                  std::int64_t n);

/// Halves of a head: y1 = x1 cos − x2 sin, y2 = x2 cos + x1 sin; direction −1 rotates back.
void rotate(const float* x, const float* cosine, const float* sine, float direction, float* y,
            std::int64_t half);

/// y = g · σ(g) · u
void gated_silu(const float* g, const float* u, float* y, std::int64_t n);
/// dg = dy · u · σ(g) (1 + g (1 − σ(g))), du = dy · g · σ(g)
void gated_silu_backward(const float* g, const float* u, const float* dy, float* dg, float* du,
                         std::int64_t n);

/// y = x · scale where hash(key, i) ≥ threshold, else 0
void drop(const float* x, std::uint32_t key, std::uint32_t threshold, float scale, float* y,
          std::int64_t n);

/// y = softmax(x); returns log Σ e^x, not finite where any x is not. n > 0
float log_sum_of_exponentials(const float* x, float* y, std::int64_t n);

/// In place: s becomes p = softmax(scale · s), its upstream gradient dp becomes ds = scale · p (dp
/// − Σ p dp). n > 0
void softmax_backward(float* s, float* dp, float scale, std::int64_t n);

void scale(float* x, float factor, std::int64_t n);

}  // namespace medseg::rows
