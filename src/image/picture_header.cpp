#include "picture_header.h"

#include <algorithm>
#include <cstring>

#include <zlib.h>

#include "bytes.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "tiff_header.h"

namespace medseg {
namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;

bool starts_with(std::span<const std::uint8_t> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

void check_size(const PictureHeader& header, const std::string& file) {
  if (header.width < 1 || header.height < 1 || header.width > kMaxPixels ||
      header.height > kMaxPixels || header.width * header.height > kMaxPixels) {
    throw DataError(str_cat(file, ": the header says ", header.width, " x ", header.height,
                            " pixels, expected at least 1 and at most 2^28 together"));
  }
}

// --- PNG: chunks from IHDR to IEND -----------------------------------------------

PictureHeader read_png(const Bytes& bytes, std::span<const std::uint8_t> data) {
  if (bytes.size() < 33 || bytes.text(12, 4) != "IHDR" || bytes.big32(8) != 13) {
    throw DataError(bytes.file() + ": PNG without its IHDR chunk");
  }
  PictureHeader header{
      .format = PictureFormat::kPng, .width = bytes.big32(16), .height = bytes.big32(20)};
  const int bits = bytes.byte(24);
  const int colour = bytes.byte(25);
  header.grey_alpha = colour == 4;
  check_size(header, bytes.file());
  std::int64_t packed = 0;
  bool ended = false;
  for (std::size_t at = 8; !ended;) {
    if (bytes.size() - at < 12) break;
    const std::size_t length = bytes.big32(at);
    if (length > bytes.size() - at - 12) break;
    const std::string type = bytes.text(at + 4, 4);
    // Checked here, for the decoder would report it on stderr.
    const auto sum = crc32(0, data.data() + at + 4, static_cast<uInt>(length + 4));
    if (sum != bytes.big32(at + 8 + length))
      throw DataError(bytes.file(),
                      str_cat("damaged PNG: its chunk ", type, " fails its check sum"));
    if (type == "IDAT") packed += static_cast<std::int64_t>(length);
    ended = type == "IEND";
    at += length + 12;
  }
  if (!ended)
    throw DataError(bytes.file() + ": truncated PNG: the file ends before its IEND chunk");
  // Deflate packs at most 1032 to 1: a small file cannot make us allocate a large picture.
  const int channels = colour == 2 ? 3 : colour == 6 ? 4 : colour == 4 ? 2 : 1;
  const std::int64_t raw = (header.width * bits * channels + 7) / 8 * header.height;
  if (raw > 1032 * packed + 64) {
    throw DataError(str_cat(bytes.file(), ": PNG of ", header.width, " x ", header.height,
                            " pixels with ", packed, " bytes of data, which cannot hold them"));
  }
  return header;
}

// --- JPEG: segments, then scans, to the end-of-image marker ------------------------

bool is_frame(int marker) {
  return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
}

PictureHeader read_jpeg(const Bytes& bytes) {
  PictureHeader header{.format = PictureFormat::kJpeg};
  std::size_t at = 2;
  while (true) {
    // Inside a scan FF 00 is a byte of data and FF D0…D7 a restart; all else is a marker.
    while (at + 1 < bytes.size() &&
           (bytes.byte(at) != 0xff || bytes.byte(at + 1) == 0 || bytes.byte(at + 1) == 0xff ||
            (bytes.byte(at + 1) >= 0xd0 && bytes.byte(at + 1) <= 0xd7))) {
      ++at;
    }
    if (at + 1 >= bytes.size()) {
      throw DataError(bytes.file() +
                      ": truncated JPEG: the file ends before its end-of-image marker");
    }
    const int marker = bytes.byte(at + 1);
    at += 2;
    if (marker == 0xd9) break;
    const std::size_t length = bytes.big16(at);
    if (length < 2) throw DataError(bytes.file() + ": malformed JPEG segment");
    if (is_frame(marker)) {
      header.height = bytes.big16(at + 3);
      header.width = bytes.big16(at + 5);
      check_size(header, bytes.file());
    }
    at += length;
  }
  if (header.width == 0) throw DataError(bytes.file() + ": JPEG without a frame header");
  return header;
}

// --- BMP ----------------------------------------------------------------------------

PictureHeader read_bmp(const Bytes& bytes) {
  PictureHeader header{.format = PictureFormat::kBmp};
  const bool old = bytes.little32(14) == 12;
  int bits = 0;
  std::uint32_t compression = 0;
  if (old) {
    header.width = bytes.little16(18);
    header.height = bytes.little16(20);
    bits = bytes.little16(24);
  } else {
    header.width = static_cast<std::int32_t>(bytes.little32(18));
    header.height = std::abs(std::int64_t{static_cast<std::int32_t>(bytes.little32(22))});
    bits = bytes.little16(28);
    compression = bytes.little32(30);
  }
  check_size(header, bytes.file());
  const std::int64_t row = (header.width * bits + 31) / 32 * 4;
  const std::int64_t data = bytes.little32(10);
  const bool packed = compression == 1 || compression == 2;  // run-length: the length is free
  if (!packed && data + row * header.height > static_cast<std::int64_t>(bytes.size())) {
    throw DataError(str_cat(bytes.file(), ": truncated BMP: ", bytes.size(), " bytes, expected ",
                            data + row * header.height));
  }
  return header;
}

/// Of files that people often name: what they are by their first bytes.
std::string named_by_content(std::span<const std::uint8_t> data) {
  const auto at = [&](std::size_t offset, std::string_view magic) {
    return data.size() >= offset && starts_with(data.subspan(offset), magic);
  };
  if (data.empty()) return ": an empty file";
  if (at(0, "GIF8")) return ": GIF, which other tools save as PNG";
  if (at(0, "RIFF") && at(8, "WEBP")) return ": WebP, which other tools save as PNG";
  if (at(0, std::string_view("\0\0\0\x0cjP  ", 8)) || at(0, "\xff\x4f\xff\x51"))
    return ": JPEG 2000, which other tools save as PNG";
  if (at(0, "%PDF")) return ": PDF";
  if (at(4, "ftyphei") || at(4, "ftypmif1")) return ": HEIC, which other tools save as PNG";
  if (at(128, "DICM")) return ": DICOM";
  if (at(0, "\x1f\x8b")) return ": a gzip file";
  if (at(0, "PK\x03\x04")) return ": a zip file";
  if (at(0, "\x89HDF")) return ": HDF5";
  if (at(0, "<!DOCTYPE") || at(0, "<html")) return ": a web page, as a failed download leaves it";
  if (at(0, "version https://git-lfs"))
    return ": a Git LFS pointer; fetch the file with git lfs pull";
  if (at(0, std::string_view("II+\0", 4)) || at(0, std::string_view("MM\0+", 4)))
    return ": BigTIFF, which other tools save as TIFF";
  return "";
}

}  // namespace

PictureHeader read_picture_header(std::span<const std::uint8_t> data, const std::string& file) {
  const Bytes bytes(data, file);
  if (starts_with(data, "\x89PNG\r\n\x1a\n")) return read_png(bytes, data);
  if (starts_with(data, "\xff\xd8\xff")) return read_jpeg(bytes);
  if (starts_with(data, "BM")) return read_bmp(bytes);
  if (starts_with(data, std::string_view("II*\0", 4)) ||
      starts_with(data, std::string_view("MM\0*", 4))) {
    const TiffHeader tiff = read_tiff_header(bytes);
    PictureHeader header{PictureFormat::kTiff, tiff.width,   tiff.height, false,
                         tiff.white_is_zero,   tiff.floating};
    check_size(header, file);
    return header;
  }
  throw DataError(file, str_cat("not an image this program reads", named_by_content(data),
                                "; expected PNG, JPEG, TIFF or BMP"));
}

}  // namespace medseg
