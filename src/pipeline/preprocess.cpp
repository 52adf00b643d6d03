#include "medseg/pipeline/preprocess.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "medseg/base/str.h"
#include "medseg/image/resize.h"
#include "spline_resize.h"

namespace medseg {
namespace {

// [3, H, W] float32 of 0 … 255.
at::Tensor planes(const Image& rgb) {
  auto* pixels =
      const_cast<std::uint8_t*>(rgb.pixels.data());  // from_blob takes no const; read only
  return at::from_blob(pixels, {rgb.height, rgb.width, 3}, at::kByte)
      .permute({2, 0, 1})
      .to(at::kFloat)
      .contiguous();
}

constexpr int kLongestRatio = 1 << 16;  // of the edges; beyond it sizes leave the range of int
constexpr int kLongestSide = 1 << 15;   // of a square that is filled

// `image` in the middle of a square of one colour, offset rounded down.
Image on_square(const Image& image, const std::vector<double>& mean) {
  const int side = std::max(image.width, image.height);
  Image square{side, side, 3, {}};
  square.pixels.resize(static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
  for (std::size_t i = 0; i < square.pixels.size(); ++i) {
    square.pixels[i] = static_cast<std::uint8_t>(255.0 * mean[i % 3]);
  }
  const int left = (side - image.width) / 2, top = (side - image.height) / 2;
  for (int y = 0; y < image.height; ++y) {
    const auto* row = image.at(0, y);
    const auto to = (static_cast<std::size_t>(top + y) * static_cast<std::size_t>(side) +
                     static_cast<std::size_t>(left)) *
                    3;
    std::copy(row, row + static_cast<std::ptrdiff_t>(image.width) * 3,
              square.pixels.begin() + static_cast<std::ptrdiff_t>(to));
  }
  return square;
}

// Short edge = size, long edge = int(size * long / short), then the middle.
Image short_edge_crop(const Image& image, int size) {
  const auto scaled = [&](int long_edge, int short_edge) {
    return static_cast<int>(static_cast<std::int64_t>(size) * long_edge / short_edge);
  };
  const bool wide = image.width > image.height;
  const int width = wide ? scaled(image.width, image.height) : size;
  const int height = wide ? size : scaled(image.height, image.width);
  return resize_part(image, width, height, Filter::kBicubic, (width - size) / 2,
                     (height - size) / 2, size, size);
}

at::Tensor per_channel(const std::vector<double>& values) {
  return at::tensor(values, at::kFloat).view({3, 1, 1});
}

at::Tensor min_max(const at::Tensor& pixels) {
  const auto low = pixels.min(), high = pixels.max();
  return (pixels - low) / (high - low).clamp_min(1e-8);
}

at::Tensor pad_right_bottom(const at::Tensor& pixels, std::int64_t size) {
  return at::constant_pad_nd(pixels, {0, size - pixels.size(2), 0, size - pixels.size(1)});
}

}  // namespace

void check_vision_shape(const Image& image, const VisionPreprocess& preprocess) {
  MEDSEG_CHECK(image.width > 0 && image.height > 0, "an empty image cannot be resized");
  const int longest = std::max(image.width, image.height);
  const bool padded =
      preprocess.mode == VisionFit::kPad && longest > kLongestSide && image.width != image.height;
  const bool cropped = preprocess.mode == VisionFit::kCrop &&
                       longest / std::min(image.width, image.height) > kLongestRatio;
  if (padded || cropped) {
    throw DataError(str_cat("an image of ", image.width, "x", image.height,
                            " pixels is too long and thin for the vision encoder"));
  }
}

at::Tensor vision_input(const Image& image, const VisionPreprocess& preprocess, std::int64_t size) {
  const at::NoGradGuard no_grad;
  check_vision_shape(image, preprocess);
  const int side = static_cast<int>(size);
  const Image rgb = to_rgb(image);
  Image scaled;
  if (preprocess.mode == VisionFit::kPad) {
    scaled = resize(on_square(rgb, preprocess.mean), side, side, Filter::kBicubic);
  } else if (preprocess.mode == VisionFit::kCrop) {
    scaled = short_edge_crop(rgb, side);
  } else {
    scaled = resize(rgb, side, side, Filter::kBicubic);
  }
  return (planes(scaled) / 255.0 - per_channel(preprocess.mean)) /
         per_channel(preprocess.deviation);
}

GroundingInput grounding_input(const Image& image, GroundingPreprocess kind, std::int64_t size) {
  const at::NoGradGuard no_grad;
  const int side = static_cast<int>(size);
  const Image rgb = to_rgb(image);
  GroundingInput input;
  input.frame = {size, size, size, image.height, image.width};
  if (kind == GroundingPreprocess::kMedsamPil) {
    input.pixels = min_max(planes(resize(rgb, side, side, Filter::kBicubic)));
    return input;
  }
  if (kind == GroundingPreprocess::kMedsamSquare ||
      kind == GroundingPreprocess::kMedsamSquareFloat) {
    auto pixels = spline_resize(planes(rgb), size, size);
    if (kind == GroundingPreprocess::kMedsamSquare) pixels = pixels.floor();
    input.pixels = min_max(pixels).to(at::kFloat);
    return input;
  }
  const double scale = static_cast<double>(size) / std::max(image.width, image.height);
  // A thin image keeps one pixel, where segment_anything's rounding leaves none and fails.
  const auto scaled = [&](int edge) { return std::max(1, static_cast<int>(edge * scale + 0.5)); };
  const int width = scaled(image.width), height = scaled(image.height);
  input.frame.resized_height = height;
  input.frame.resized_width = width;
  const auto pixels = planes(resize(rgb, width, height, Filter::kBilinear));
  const auto normal = kind == GroundingPreprocess::kLitemedsam
                          ? min_max(pixels)
                          : (pixels - per_channel({123.675, 116.28, 103.53})) /
                                per_channel({58.395, 57.12, 57.375});
  input.pixels = pad_right_bottom(normal, size);
  return input;
}

at::Tensor mask_tensor(const std::vector<Mask>& masks, int width, int height) {
  const auto count = static_cast<std::int64_t>(masks.size());
  auto stacked = at::empty({count, height, width}, at::kByte);
  auto* to = stacked.data_ptr<std::uint8_t>();
  for (const auto& mask : masks) {
    MEDSEG_CHECK(
        mask.width == width && mask.height == height,
        str_cat("mask_tensor: ", mask.width, "x", mask.height, ", expected ", width, "x", height));
    to = std::copy(mask.pixels.begin(), mask.pixels.end(), to);
  }
  return stacked.to(at::kFloat);
}

Mask mask_from_logits(const at::Tensor& logits) {
  MEDSEG_CHECK(logits.dim() == 2, "mask_from_logits: expected [H, W]");
  const auto inside = (logits.detach() > 0).to(at::kCPU, at::kByte).contiguous();
  Mask mask(static_cast<int>(logits.size(1)), static_cast<int>(logits.size(0)));
  const auto* from = inside.data_ptr<std::uint8_t>();
  std::copy(from, from + inside.numel(), mask.pixels.begin());
  return mask;
}

}  // namespace medseg
