#include <algorithm>
#include <cmath>
#include <filesystem>
#include <vector>

#include "bench.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/process.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/image/rle.h"
#include "medseg/metrics/surface.h"

namespace medseg {
namespace {

constexpr int kSide = 512, kPairs = 200;
constexpr std::int64_t kDepth = 300;
constexpr const char* kPrecision = "fp64";  // of distances; masks are bits

struct Pair {
  Mask predicted, reference;
};

// Three ellipses with a wavy rim; the prediction is the reference moved by some pixels.
Mask blob(RandomStream random, double dx, double dy) {
  Mask mask(kSide, kSide);
  for (int part = 0; part < 3; ++part) {
    const double x0 = 120 + 270 * random.uniform() + dx, y0 = 120 + 270 * random.uniform() + dy;
    const double a = 20 + 80 * random.uniform(), b = 20 + 80 * random.uniform();
    const double waves = 3 + std::floor(9 * random.uniform());
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double u = (x - x0) / a, v = (y - y0) / b;
        const double rim = 1 + 0.1 * std::sin(waves * std::atan2(v, u));
        if (u * u + v * v < rim * rim)
          mask.pixels[static_cast<std::size_t>(y) * kSide + static_cast<std::size_t>(x)] = 1;
      }
    }
  }
  return mask;
}

std::vector<Pair> own_pairs() {
  std::vector<Pair> pairs;
  for (int i = 0; i < kPairs; ++i) {
    const auto number = static_cast<std::uint64_t>(i);
    RandomStream shift(0, "bench-shift", number);
    const double dx = 20 * shift.uniform() - 10, dy = 20 * shift.uniform() - 10;
    pairs.push_back({blob(RandomStream(0, "bench-masks", number), dx, dy),
                     blob(RandomStream(0, "bench-masks", number), 0, 0)});
  }
  return pairs;
}

// Bytes of prediction and reference in turns, 512 x 512 each, not 0 is set.
std::vector<Pair> read_pairs(const std::string& path) {
  const std::string bytes = read_file(path);
  constexpr std::size_t kMask = std::size_t{kSide} * kSide;
  if (bytes.empty() || bytes.size() % (2 * kMask) != 0) {
    throw DataError(path, str_cat("expected pairs of masks of ", kMask, " bytes, found ",
                                  bytes.size(), " bytes"));
  }
  const auto mask_at = [&](std::size_t index) {
    Mask mask(kSide, kSide);
    for (std::size_t i = 0; i < kMask; ++i) mask.pixels[i] = bytes[index * kMask + i] != 0;
    return mask;
  };
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < bytes.size() / kMask; i += 2)
    pairs.push_back({mask_at(i), mask_at(i + 1)});
  return pairs;
}

// An ellipsoid in a volume of 300 x 512 x 512.
PackedMask ellipsoid(double shift) {
  PackedMask mask({kDepth, kSide, kSide});
  std::int64_t cell = 0;
  for (std::int64_t z = 0; z < kDepth; ++z) {
    for (std::int64_t y = 0; y < kSide; ++y) {
      for (std::int64_t x = 0; x < kSide; ++x, ++cell) {
        const double u = (static_cast<double>(x) - 256 - shift) / 160;
        const double v = (static_cast<double>(y) - 256) / 140;
        const double w = (static_cast<double>(z) - 150) / 110;
        if (u * u + v * v + w * w < 1) mask.set(cell);
      }
    }
  }
  return mask;
}

void bench_volume(const Bench& bench) {
  const std::string name = "metrics.volume.surface_scores";
  if (!bench.wants(name, kPrecision)) return;
  const PackedMask predicted = ellipsoid(5), reference = ellipsoid(0);
  SurfaceScores scores;
  bench.measure(
      name, kPrecision, 1,
      [&] {
        scores = surface_scores(predicted, reference, {1.5, 0.8, 0.8}, Dimensions::kVolume, 2);
      },
      /*warm_up=*/false);
  bench.report(name + ".hd95_monai", scores.hd95_monai, "mm", kPrecision);
  bench.report(name + ".peak_memory", static_cast<double>(peak_memory_bytes()) / 1e6, "MB",
               kPrecision);
}

void bench_pairs(const Bench& bench, const std::vector<std::string>& files) {
  const std::vector<Pair> pairs = files.empty() ? own_pairs() : read_pairs(files[0]);
  const auto count = static_cast<std::int64_t>(pairs.size());
  std::vector<PackedMask> predicted, reference;
  std::vector<Rle> runs;
  for (const auto& pair : pairs) {
    predicted.emplace_back(pair.predicted);
    reference.emplace_back(pair.reference);
    runs.push_back(encode_rle(pair.predicted));
  }
  const GridSpacing spacing = {1, 1, 1};
  double hd95 = 0, nsd = 0;
  std::int64_t bits = 0;
  const auto each = [&](const char* name, const auto& work) {
    bench.measure(std::string("metrics.") + name, kPrecision, count, [&] {
      for (std::size_t i = 0; i < pairs.size(); ++i) work(i);
    });
  };
  each("surface_scores", [&](std::size_t i) {
    const auto scores = surface_scores(predicted[i], reference[i], spacing, Dimensions::kImage, 2);
    hd95 += scores.hd95_monai / static_cast<double>(count);
    nsd += scores.nsd_deepmind / static_cast<double>(count);
  });
  each("monai_surfaces", [&](std::size_t i) {
    hd95 +=
        static_cast<double>(monai_surfaces(predicted[i], reference[i], spacing, Dimensions::kImage)
                                .from_predicted.size());
  });
  each("deepmind_surfaces", [&](std::size_t i) {
    hd95 += static_cast<double>(
        deepmind_surfaces(predicted[i], reference[i], spacing, Dimensions::kImage)
            .from_predicted.size());
  });
  each("overlap",
       [&](std::size_t i) { bits += count_overlap(predicted[i], reference[i]).intersection; });
  each("rle.encode", [&](std::size_t i) { bits += encode_rle(pairs[i].predicted).width; });
  each("rle.decode", [&](std::size_t i) { bits += decode_rle(runs[i]).width; });
  hd95 = 0;
  nsd = 0;
  if (bench.wants("metrics.values", kPrecision)) {
    for (std::size_t i = 0; i < pairs.size(); ++i) {
      const auto scores =
          surface_scores(predicted[i], reference[i], spacing, Dimensions::kImage, 2);
      hd95 += scores.hd95_monai / static_cast<double>(count);
      nsd += scores.nsd_deepmind / static_cast<double>(count);
    }
    bench.report("metrics.values.hd95_monai", hd95, "mm", kPrecision);
    bench.report("metrics.values.nsd_deepmind", nsd, "share", kPrecision);
  }
  MEDSEG_CHECK(bits >= 0, "counts are not negative");  // and are not optimised away
}

}  // namespace

void bench_metrics(const Bench& bench, const std::vector<std::string>& files) {
  if (files.size() > 1) throw ConfigError("bench", "metrics takes one file of masks");
  const std::vector<std::string> of_pairs = {
      "surface_scores", "monai_surfaces", "deepmind_surfaces", "overlap", "rle.encode",
      "rle.decode",     "values"};
  const bool wanted = std::any_of(of_pairs.begin(), of_pairs.end(), [&](const auto& name) {
    return bench.wants("metrics." + name, kPrecision);
  });
  if (wanted) bench_pairs(bench, files);
  bench_volume(bench);
}

}  // namespace medseg
