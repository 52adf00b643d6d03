#include "medseg/image/codec.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "decode.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/mask_file.h"
#include "orient.h"
#include "picture_header.h"
#include "raw_samples.h"

namespace medseg {
namespace {

using Picture = std::variant<Image, Image16>;

/// Channel c of the file: OpenCV stores blue first.
template <class From, class Convert>
std::vector<std::uint8_t> to_8_bit_pixels(const cv::Mat& mat, int channels, Convert convert) {
  std::vector<std::uint8_t> pixels;
  pixels.reserve(mat.total() * static_cast<std::size_t>(channels));
  for (int y = 0; y < mat.rows; ++y) {
    const From* from = mat.ptr<From>(y);
    for (int x = 0; x < mat.cols; ++x, from += mat.channels()) {
      for (int c = 0; c < channels; ++c) pixels.push_back(convert(from[channels - 1 - c]));
    }
  }
  return pixels;
}

/// 16-bit grey as it is stored, or 8 bits a channel.
Picture picture_of(const cv::Mat& mat, const PictureHeader& header, const std::string& file) {
  const bool grey = mat.channels() == 1 || header.grey_alpha;
  if (mat.depth() == CV_16U && grey) {
    Image16 image{mat.cols, mat.rows, {}};
    image.pixels.reserve(mat.total());
    for (int y = 0; y < mat.rows; ++y) {
      const auto* from = mat.ptr<std::uint16_t>(y);
      for (int x = 0; x < mat.cols; ++x, from += mat.channels()) {
        image.pixels.push_back(header.white_is_zero ? static_cast<std::uint16_t>(~*from) : *from);
      }
    }
    return image;
  }
  Image image{mat.cols, mat.rows, grey ? 1 : 3, {}};
  if (!grey && mat.channels() < 3) throw DataError(file, str_cat(mat.channels(), " channels"));
  if (mat.depth() == CV_8U) {
    image.pixels =
        to_8_bit_pixels<std::uint8_t>(mat, image.channels, [](std::uint8_t v) { return v; });
  } else if (mat.depth() == CV_16U) {
    image.pixels = to_8_bit_pixels<std::uint16_t>(
        mat, image.channels, [](std::uint16_t v) { return static_cast<std::uint8_t>(v >> 8); });
  } else {
    throw DataError(file, "neither 8 nor 16 bits a channel");
  }
  return image;
}

std::string encode(const cv::Mat& mat) {
  std::vector<std::uint8_t> bytes;
  if (!cv::imencode(".png", mat, bytes)) throw DataError("a picture could not be packed as PNG");
  return {bytes.begin(), bytes.end()};
}

}  // namespace

FileImage read_image_file(const std::filesystem::path& path, std::optional<int> page) {
  const MappedFile mapped(path);
  const std::string file = path.string();
  const PictureHeader header = read_picture_header(mapped.bytes(), file);
  FileImage found;
  if (header.format == PictureFormat::kTiff) {
    const int pages = count_pages(mapped.bytes(), file);
    check_page(page, pages, file);
    if (pages > 1) {
      const auto one = tiff_page(mapped.bytes(), file, *page);
      const PictureHeader page_header = read_picture_header(one, file);
      found.pixels = picture_of(decode_image(one, page_header, file), page_header, file);
      return found;
    }
  } else {
    check_page(page, 1, file);
  }
  found.exif_orientation = exif_orientation(mapped.bytes(), file);
  std::vector<std::uint8_t> plain;
  if (header.format == PictureFormat::kTiff && found.exif_orientation != 1)
    plain = without_orientation(mapped.bytes(), file);
  const std::span<const std::uint8_t> bytes = plain.empty() ? mapped.bytes() : std::span(plain);
  found.pixels = picture_of(decode_image(bytes, header, file), header, file);
  if (found.exif_orientation != 1) {
    std::visit([&](auto& image) { image = upright(image, found.exif_orientation); }, found.pixels);
  }
  return found;
}

Picture read_picture(const std::filesystem::path& path) { return read_image_file(path).pixels; }

Image read_image(const std::filesystem::path& path) {
  Picture picture = read_picture(path);
  if (auto* image = std::get_if<Image>(&picture)) return std::move(*image);
  const Image16& deep = std::get<Image16>(picture);
  return to_8_bit(deep, own_range(deep));
}

Mask read_mask(const std::filesystem::path& path, std::optional<int> value) {
  MaskChoice choice;
  choice.value = value;
  return read_mask(path, choice);
}

std::string encode_png(const Image& image) {
  MEDSEG_CHECK(image.width > 0 && image.height > 0, "an empty picture has no PNG");
  const cv::Mat pixels(image.height, image.width, CV_8UC(image.channels),
                       const_cast<std::uint8_t*>(image.pixels.data()));
  if (image.channels == 1) return encode(pixels);
  cv::Mat blue_first;
  cv::cvtColor(pixels, blue_first, cv::COLOR_RGB2BGR);
  return encode(blue_first);
}

std::string encode_png(const Mask& mask) {
  Image image{mask.width, mask.height, 1, mask.pixels};
  for (auto& pixel : image.pixels) pixel = pixel != 0 ? 255 : 0;
  return encode_png(image);
}

void write_png(const std::filesystem::path& path, const Image& image) {
  write_file(path, encode_png(image));
}

void write_png(const std::filesystem::path& path, const Mask& mask) {
  write_file(path, encode_png(mask));
}

}  // namespace medseg
