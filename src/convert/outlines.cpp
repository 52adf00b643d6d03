#include "outlines.h"

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kLargestSide = 1 << 20;
constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;

Rle rle_of(const JsonItem& item) {
  const auto size = item.at("size").items();
  if (size.size() != 2) item.at("size").expected("[height, width]");
  Rle rle;
  rle.height = static_cast<int>(size[0].whole(1, kLargestSide));
  rle.width = static_cast<int>(size[1].whole(1, kLargestSide));
  if (std::int64_t{rle.height} * rle.width > kMostPixels) item.at("size").fail("too many pixels");
  const auto counts = item.at("counts");
  if (counts.json().is_string()) {
    rle.counts = counts.text();
    return rle;
  }
  Mask mask(rle.width, rle.height);
  std::size_t at = 0;
  std::uint8_t value = 0;
  for (const auto& run : counts.items()) {
    const auto left = static_cast<std::int64_t>(mask.pixels.size() - at);
    const auto length = run.whole(0, kMostPixels);
    if (length > left) run.fail(str_cat("the runs exceed ", rle.height, " * ", rle.width));
    for (std::int64_t i = 0; i < length; ++i, ++at) {
      const auto x = at / static_cast<std::size_t>(rle.height);
      const auto y = at % static_cast<std::size_t>(rle.height);
      mask.pixels[y * static_cast<std::size_t>(rle.width) + x] = value;
    }
    value = value == 0 ? 1 : 0;
  }
  if (at != mask.pixels.size())
    counts.fail(str_cat("the runs fall short of ", rle.height, " * ", rle.width));
  return encode_rle(mask);
}

std::vector<double> polygon_of(const JsonItem& item) {
  std::vector<double> numbers;
  // [x, y, x, y, …] or [[x, y], …]
  for (const auto& entry : item.items()) {
    if (!entry.json().is_array()) {
      numbers.push_back(entry.number());
      continue;
    }
    const auto point = entry.items();
    if (point.size() != 2) entry.expected("a point x, y");
    numbers.push_back(point[0].number());
    numbers.push_back(point[1].number());
  }
  return numbers;
}

}  // namespace

MaskSource outline_of(const JsonItem& segmentation, const std::string& label) {
  MaskSource source;
  source.label = label;
  if (segmentation.json().is_object()) {
    source.rle = rle_of(segmentation);
    with_place(segmentation.where(), [&] { return decode_rle(*source.rle); });
    return source;
  }
  const auto parts = segmentation.items();
  if (parts.empty()) segmentation.expected("polygons or run lengths");
  if (!parts.front().json().is_array()) {
    source.polygons.push_back(polygon_of(segmentation));
  } else {
    for (const auto& part : parts) {
      auto polygon = polygon_of(part);
      if (polygon.size() >= 6) source.polygons.push_back(std::move(polygon));
    }
  }
  for (const auto& polygon : source.polygons) {
    if (polygon.size() < 6 || polygon.size() % 2 != 0)
      segmentation.expected("three or more points x, y");
  }
  if (source.polygons.empty()) segmentation.expected("three or more points x, y");
  return source;
}

Mask pixels_of(const MaskSource& source, int width, int height, const std::string& where) {
  return with_place(where, [&] {
    Mask mask =
        source.rle ? decode_rle(*source.rle) : fill_polygons(source.polygons, width, height);
    if (mask.width != width || mask.height != height) {
      throw DataError(str_cat("a mask of ", mask.width, " x ", mask.height,
                              " pixels, but the image has ", width, " x ", height));
    }
    return mask;
  });
}

}  // namespace medseg
