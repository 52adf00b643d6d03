#include "medseg/image/codec.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "picture_header.h"

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

/// Decoders print to stderr and throw or return nothing as they like; here it is always an error.
cv::Mat decode(std::span<const std::uint8_t> bytes, const std::string& file) {
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) {
    throw DataError(
        str_cat(file, ": a picture file of ", bytes.size(), " bytes, expected less than 2^31"));
  }
  cv::Mat mat;
  try {
    const cv::Mat buffer(1, static_cast<int>(bytes.size()), CV_8U,
                         const_cast<std::uint8_t*>(bytes.data()));  // imdecode only reads it
    // Orientation notes (EXIF) are not followed: masks are drawn in the pixels of the file.
    mat = cv::imdecode(buffer, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& error) {
    throw DataError(str_cat(file, ": cannot be decoded: ", error.err));
  } catch (const std::bad_alloc&) {
    throw DataError(file + ": does not fit into memory");
  }
  if (mat.empty()) throw DataError(file + ": damaged picture: the decoder gave up");
  return mat;
}

Picture read_decoded(const std::filesystem::path& path, bool lossless) {
  const MappedFile mapped(path);
  const std::string file = path.string();
  const PictureHeader header = read_picture_header(mapped.bytes(), file);
  if (lossless && header.format == PictureFormat::kJpeg) {
    throw DataError(file + ": JPEG changes pixels; expected a lossless mask (PNG, TIFF, BMP)");
  }
  const cv::Mat mat = decode(mapped.bytes(), file);
  if (mat.cols != header.width || mat.rows != header.height) {
    throw DataError(str_cat(file, ": decoded to ", mat.cols, " x ", mat.rows, ", the header says ",
                            header.width, " x ", header.height));
  }
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
  if (!grey && mat.channels() < 3)
    throw DataError(str_cat(file, ": ", mat.channels(), " channels"));
  if (mat.depth() == CV_8U) {
    image.pixels =
        to_8_bit_pixels<std::uint8_t>(mat, image.channels, [](std::uint8_t v) { return v; });
  } else if (mat.depth() == CV_16U) {
    image.pixels = to_8_bit_pixels<std::uint16_t>(
        mat, image.channels, [](std::uint16_t v) { return static_cast<std::uint8_t>(v >> 8); });
  } else {
    throw DataError(file + ": neither 8 nor 16 bits a channel");
  }
  return image;
}

std::string encode(const cv::Mat& mat) {
  std::vector<std::uint8_t> bytes;
  if (!cv::imencode(".png", mat, bytes)) throw DataError("a picture could not be packed as PNG");
  return {bytes.begin(), bytes.end()};
}

}  // namespace

Picture read_picture(const std::filesystem::path& path) { return read_decoded(path, false); }

Image read_image(const std::filesystem::path& path) {
  Picture picture = read_picture(path);
  if (auto* image = std::get_if<Image>(&picture)) return std::move(*image);
  const Image16& deep = std::get<Image16>(picture);
  Image image{deep.width, deep.height, 1, {}};
  image.pixels.reserve(deep.pixels.size());
  for (const auto value : deep.pixels)
    image.pixels.push_back(static_cast<std::uint8_t>(value >> 8));
  return image;
}

Mask read_mask(const std::filesystem::path& path, std::optional<int> value) {
  const Picture picture = read_decoded(path, true);
  return std::visit(
      [&](const auto& image) {
        Mask mask(image.width, image.height);
        if (image.pixels.size() != mask.pixels.size()) {
          throw DataError(path.string() + ": a mask with 3 channels; expected one grey channel");
        }
        for (std::size_t i = 0; i < mask.pixels.size(); ++i) {
          const int pixel = image.pixels[i];
          mask.pixels[i] = value ? pixel == *value : pixel != 0;
        }
        return mask;
      },
      picture);
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
