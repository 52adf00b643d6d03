#include "medseg/image/mask_file.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "decode.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "orient.h"
#include "raw_samples.h"

namespace medseg {
namespace {

/// Label files have few values; more than this many besides 0 are grey values.
constexpr std::size_t kMostLabels = 8;

template <class Sample>
std::vector<std::int64_t> grey_values(const cv::Mat& mat, std::int64_t scale) {
  std::vector<std::int64_t> values;
  values.reserve(mat.total());
  for (int y = 0; y < mat.rows; ++y) {
    const auto* from = mat.ptr<Sample>(y);
    for (int x = 0; x < mat.cols; ++x, from += mat.channels())
      values.push_back(static_cast<std::int64_t>(*from) / scale);
  }
  return values;
}

MaskSamples colours_of(const cv::Mat& mat) {
  MaskSamples samples{mat.cols, mat.rows, false, {}};
  samples.values.reserve(mat.total());
  for (int y = 0; y < mat.rows; ++y) {
    const auto* from = mat.ptr<std::uint8_t>(y);
    for (int x = 0; x < mat.cols; ++x, from += mat.channels()) {
      samples.coloured = samples.coloured || from[0] != from[1] || from[1] != from[2];
      samples.values.push_back(65536 * from[2] + 256 * from[1] + from[0]);
    }
  }
  if (!samples.coloured) {  // three equal channels are one grey channel
    for (auto& value : samples.values) value &= 255;
  }
  return samples;
}

MaskSamples samples_of(const cv::Mat& mat, const PictureHeader& header, const RawSamples& raw,
                       const std::string& file) {
  const int scale = raw.scale;
  if (mat.channels() >= 3 && !header.grey_alpha) {
    if (mat.depth() != CV_8U)
      throw DataError(file, "a mask with 16-bit colours; expected 8 bits a channel");
    return colours_of(mat);
  }
  MaskSamples samples{mat.cols, mat.rows, false, {}};
  switch (mat.depth()) {
    case CV_8U:
      samples.values = grey_values<std::uint8_t>(mat, scale);
      break;
    case CV_16U:
      samples.values = grey_values<std::uint16_t>(mat, scale);
      break;
    case CV_16S:
      samples.values = grey_values<std::int16_t>(mat, scale);
      break;
    case CV_32S:
      samples.values = grey_values<std::int32_t>(mat, scale);
      break;
    case CV_32F:
      for (int y = 0; y < mat.rows; ++y) {
        for (int x = 0; x < mat.cols; ++x) {
          const float value = mat.at<float>(y, x);
          if (value != std::floor(value) || std::abs(value) > 1e9F) {
            throw DataError(file, str_cat("a mask of fractions (", value,
                                          "); expected whole numbers as labels"));
          }
          samples.values.push_back(static_cast<std::int64_t>(value));
        }
      }
      break;
    default:
      throw DataError(file, "a mask of 64-bit samples; expected at most 32 bits");
  }
  return samples;
}

std::string colour_text(std::int64_t colour) {
  return str_cat("[", colour >> 16, ", ", (colour >> 8) & 255, ", ", colour & 255, "]");
}

std::map<std::int64_t, std::int64_t> counts_of(const MaskSamples& samples) {
  std::map<std::int64_t, std::int64_t> counts;
  for (const auto value : samples.values) ++counts[value];
  return counts;
}

}  // namespace

MaskSamples read_mask_samples(const std::filesystem::path& path, const MaskChoice& choice) {
  const MappedFile mapped(path);
  const std::string file = path.string();
  const PictureHeader header = read_picture_header(mapped.bytes(), file);
  if (header.format == PictureFormat::kJpeg && !choice.threshold) {
    throw DataError(file,
                    "JPEG changes pixels; expected a lossless mask (PNG, TIFF, BMP), or "
                    "\"threshold\": 127");
  }
  check_page(choice.page, count_pages(mapped.bytes(), file), file);
  const RawSamples raw = with_raw_samples(mapped.bytes(), file, choice.page.value_or(0));
  const PictureHeader raw_header = read_picture_header(raw.bytes, file);
  auto samples = samples_of(decode_image(raw.bytes, raw_header, file), raw_header, raw, file);
  if (raw_header.white_is_zero && raw.scale == 255) {  // a decoder shows 1-bit fax pages as paper
    for (auto& value : samples.values) value = 1 - value;
  }
  const int orientation = exif_orientation(mapped.bytes(), file);
  if (orientation != 1) {
    samples.values = upright_pixels(samples.values, samples.width, samples.height, 1, orientation);
    if (orientation >= 5) std::swap(samples.width, samples.height);
  }
  return samples;
}

Mask mask_of(const MaskSamples& samples, const MaskChoice& choice, const std::string& file) {
  if (samples.coloured && !choice.colour && !choice.threshold) {
    std::vector<std::string> colours;
    for (const auto& [colour, count] : counts_of(samples)) {
      if (colour != 0) colours.push_back(colour_text(colour));
    }
    throw DataError(file, str_cat("a mask in colours; say which one: \"value\": ", colours.front(),
                                  colours.size() > 1 ? "; the file has " : "",
                                  colours.size() > 1 ? join_first(colours, 6) : ""));
  }
  std::int64_t wanted = choice.value.value_or(-1);
  if (choice.colour) {
    const auto& [red, green, blue] = *choice.colour;
    if (samples.coloured) {
      wanted = 65536 * red + 256 * green + blue;
    } else {
      wanted = red == green && green == blue ? red : -2;  // no grey pixel has this colour
    }
  }
  const bool one = choice.value || choice.colour;
  Mask mask(samples.width, samples.height);
  for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
    std::int64_t value = samples.values[i];
    if (choice.ignore && value == *choice.ignore) continue;
    if (choice.threshold) {  // of a colour its brightest channel
      if (samples.coloured) value = std::max({value >> 16, (value >> 8) & 255, value & 255});
      mask.pixels[i] = value > *choice.threshold ? 1 : 0;
    } else {
      mask.pixels[i] = (one ? value == wanted : value != 0) ? 1 : 0;
    }
  }
  return mask;
}

Mask ignored_of(const MaskSamples& samples, const MaskChoice& choice) {
  Mask mask(samples.width, samples.height);
  for (std::size_t i = 0; choice.ignore && i < mask.pixels.size(); ++i)
    mask.pixels[i] = samples.values[i] == *choice.ignore ? 1 : 0;
  return mask;
}

MaskOddities oddities_of(const MaskSamples& samples, const MaskChoice& choice) {
  MaskOddities odd;
  if (samples.coloured || choice.value || choice.colour || choice.threshold) return odd;
  const auto counts = counts_of(samples);
  const std::int64_t largest = counts.rbegin()->first;
  const std::size_t labels = counts.size() - (counts.contains(0) ? 1 : 0);
  if (labels > kMostLabels && largest <= 255) {
    std::int64_t above_0 = 0, above_127 = 0;
    for (const auto& [value, count] : counts) {
      above_0 += value != 0 ? count : 0;
      above_127 += value > 127 ? count : 0;
    }
    odd.soft = str_cat("a soft mask of ", labels, " grey values: ", above_0,
                       " pixels are not 0, which is the mask, and ", above_127, " are above 127");
  } else if (largest == 255 && labels > 1 && !choice.ignore) {
    const std::int64_t below = std::prev(counts.end(), 2)->first;
    if (below < 128) {
      odd.ignore = str_cat(counts.rbegin()->second, " pixels are 255 beside labels up to ", below,
                           ", and count as the structure");
    }
  }
  return odd;
}

Mask read_mask(const std::filesystem::path& path, const MaskChoice& choice) {
  return mask_of(read_mask_samples(path, choice), choice, path.string());
}

}  // namespace medseg
