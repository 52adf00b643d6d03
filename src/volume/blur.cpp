#include <cmath>

#include "medseg/volume/morphology.h"

namespace medseg {
namespace {

/// Mirrored about the border pixel's outer edge: d c b a | a b c d | d c b a.
std::int64_t mirrored(std::int64_t at, std::int64_t size) {
  const std::int64_t period = 2 * size;
  at %= period;
  if (at < 0) at += period;
  return at < size ? at : period - 1 - at;
}

/// One pass along an axis with distance `stride` between its voxels; sums in double, rounds to
/// float after each axis, as scipy does.
void blur_line(float* first, std::int64_t size, std::int64_t stride,
               const std::vector<double>& kernel, std::vector<double>& line) {
  const auto radius = static_cast<std::int64_t>(kernel.size()) - 1;
  line.resize(static_cast<std::size_t>(size + 2 * radius));
  for (std::int64_t x = -radius; x < size + radius; ++x) {
    line[static_cast<std::size_t>(x + radius)] = first[mirrored(x, size) * stride];
  }
  for (std::int64_t x = 0; x < size; ++x) {
    const double* centre = line.data() + x + radius;
    double sum = *centre * kernel[0];
    for (std::int64_t d = radius; d > 0; --d) {
      sum += (centre[-d] + centre[d]) * kernel[static_cast<std::size_t>(d)];
    }
    first[x * stride] = static_cast<float>(sum);
  }
}

}  // namespace

Volume blur_slices(const Volume& volume, double sigma) {
  MEDSEG_CHECK(sigma > 0 && sigma < 1000, "sigma must lie between 0 and 1000 voxels");
  std::vector<double> kernel;
  double sum = 0;
  for (int d = 0; d <= static_cast<int>(4.0 * sigma + 0.5); ++d) {
    kernel.push_back(std::exp(-0.5 / (sigma * sigma) * d * d));
    sum += d == 0 ? kernel.back() : 2 * kernel.back();
  }
  for (double& weight : kernel) weight /= sum;
  Volume blurred = volume;
  const auto [ni, nj, nk] = volume.size;
  std::vector<double> line;
  for (std::int64_t k = 0; k < nk; ++k) {
    float* slice = blurred.voxels.data() + k * nj * ni;
    for (std::int64_t i = 0; i < ni; ++i) blur_line(slice + i, nj, ni, kernel, line);
    for (std::int64_t j = 0; j < nj; ++j) blur_line(slice + j * ni, ni, 1, kernel, line);
  }
  return blurred;
}

}  // namespace medseg
