#include <gtest/gtest.h>

#include "image/golden_image.h"
#include "medseg/base/hash.h"
#include "medseg/image/resize.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

TEST(ThroughWindow, EqualsNumPyAndThenPillow) {
  for (const auto& row : golden_image("window")) {
    const auto from = row["from"].get<std::vector<int>>();
    const auto to = row["to"].get<std::vector<int>>();
    const Window window{"stated", row["window"][0], row["window"][1]};
    const Image seen = through_window(deep_noise_picture(from[0], from[1]), window);
    EXPECT_EQ(sha256(std::span<const std::uint8_t>(seen.pixels)), row["seen"]) << row;
    const Image out = resize(seen, to[0], to[1], Filter::kBicubic);
    EXPECT_EQ(sha256(std::span<const std::uint8_t>(out.pixels)), row["sha256"]) << row;
  }
}

}  // namespace
}  // namespace medseg
