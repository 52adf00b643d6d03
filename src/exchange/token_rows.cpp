#include "token_rows.h"

#include <ATen/ATen.h>

namespace medseg {

void fill_token_rows(at::Tensor& rows, const at::Tensor& old, std::uint64_t seed) {
  const auto first = old.size(0);
  rows.slice(0, 0, first).copy_(old);
  if (rows.size(0) == first) return;
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const auto mean = old.mean(0, /*keepdim=*/true);
  const auto spread = old.std(0, /*unbiased=*/false, /*keepdim=*/true);
  const auto noise = at::randn({rows.size(0) - first, rows.size(1)}, generator, old.options());
  rows.slice(0, first).copy_(mean + 0.1 * spread * noise);
}

}  // namespace medseg
