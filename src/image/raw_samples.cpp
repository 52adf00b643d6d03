#include "raw_samples.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <zlib.h>

#include "bytes.h"
#include "medseg/base/str.h"
#include "tiff_header.h"

namespace medseg {
namespace {

bool is_png(std::span<const std::uint8_t> bytes) { return bytes.size() > 33 && bytes[0] == 0x89; }
bool is_bmp(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 54 && bytes[0] == 'B' && bytes[1] == 'M';
}
bool is_tiff(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 8 &&
         (std::memcmp(bytes.data(), "II*\0", 4) == 0 || std::memcmp(bytes.data(), "MM\0*", 4) == 0);
}

/// A palette image has the same stream as a grey one: only its header and two chunks differ.
RawSamples raw_png(std::span<const std::uint8_t> data, const std::string& file) {
  const Bytes bytes(data, file);
  const int bits = bytes.byte(24);
  const bool palette = bytes.byte(25) == 3;
  RawSamples raw;
  raw.bytes.assign(data.begin(), data.begin() + 8);
  for (std::size_t at = 8; at + 12 <= data.size();) {
    const std::size_t length = bytes.big32(at);
    if (length > data.size() - at - 12) break;
    const std::string type = bytes.text(at + 4, 4);
    if (type != "PLTE" && type != "tRNS") {
      const auto begin = static_cast<std::ptrdiff_t>(raw.bytes.size());
      raw.bytes.insert(raw.bytes.end(), data.begin() + static_cast<std::ptrdiff_t>(at),
                       data.begin() + static_cast<std::ptrdiff_t>(at + length + 12));
      if (type == "IHDR" && palette) {
        auto* chunk = raw.bytes.data() + begin;
        chunk[8 + 9] = 0;
        const auto crc = crc32(0, chunk + 4, static_cast<uInt>(length + 4));
        for (std::size_t i = 0; i < 4; ++i)
          chunk[length + 8 + i] = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
      }
    }
    at += length + 12;
  }
  const bool grey = palette || bytes.byte(25) == 0;
  if (grey && bits < 8) raw.scale = 255 / ((1 << bits) - 1);
  return raw;
}

RawSamples raw_bmp(std::span<const std::uint8_t> data, const std::string& file) {
  const Bytes bytes(data, file);
  RawSamples raw;
  raw.bytes.assign(data.begin(), data.end());
  const std::size_t header = bytes.little32(14);
  const int bits = bytes.little16(header == 12 ? 24 : 28);
  if (bits > 8) return raw;
  const std::size_t entry = header == 12 ? 3 : 4;
  std::size_t colours = std::size_t{1} << bits;
  const std::size_t stated = header >= 40 ? bytes.little32(46) : 0;
  if (stated > 0) colours = std::min(colours, stated);
  for (std::size_t i = 0; i < colours; ++i) {
    const std::size_t at = 14 + header + entry * i;
    if (at + 3 > raw.bytes.size()) break;
    for (std::size_t c = 0; c < 3; ++c) raw.bytes[at + c] = static_cast<std::uint8_t>(i);
  }
  return raw;
}

/// A short number of a TIFF; `at` 0 stands for a tag that is not there.
void put16(std::vector<std::uint8_t>& bytes, std::size_t at, std::uint8_t value) {
  if (at == 0) return;
  const bool big = bytes[0] == 'M';
  bytes[at + (big ? 1 : 0)] = value;
  bytes[at + (big ? 0 : 1)] = 0;
}

/// The decoder reads whole numbers of 32 bits only where the file calls them signed.
void say_signed(std::vector<std::uint8_t>& bytes, const TiffHeader& header) {
  if (header.format_at > 0) {
    put16(bytes, header.format_at, 2);
  } else if (header.spare_at > 0) {  // a sample format in place of a tag that is not needed
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(header.spare_at), 12, std::uint8_t{0});
    const bool big = bytes[0] == 'M';
    put16(bytes, header.spare_at, 83);
    bytes[header.spare_at + (big ? 0 : 1)] = 1;  // 339 = 256 + 83
    put16(bytes, header.spare_at + 2, 3);
    bytes[header.spare_at + (big ? 7 : 4)] = 1;
    put16(bytes, header.spare_at + 8, 2);
  }
}

RawSamples raw_tiff(std::span<const std::uint8_t> data, const std::string& file, int page) {
  RawSamples raw;
  raw.bytes = tiff_page(data, file, page);
  const TiffHeader header = read_tiff_header(Bytes(raw.bytes, file));
  if (header.photometric == 3) put16(raw.bytes, header.photometric_at, 1);  // its indices as grey
  if (header.bits == 32 && !header.floating) say_signed(raw.bytes, header);
  if (header.orientation != 1) put16(raw.bytes, header.orientation_at, 1);
  if (header.samples == 1 && header.bits < 8) raw.scale = 255 / ((1 << header.bits) - 1);
  return raw;
}

/// The orientation in a TIFF structure that begins at `base`; EXIF is one.
int orientation_in(const Bytes& bytes, std::size_t base) {
  const bool big = bytes.byte(base) == 'M';
  const auto number16 = [&](std::size_t at) { return big ? bytes.big16(at) : bytes.little16(at); };
  const auto number32 = [&](std::size_t at) { return big ? bytes.big32(at) : bytes.little32(at); };
  const std::size_t directory = base + number32(base + 4);
  const int entries = number16(directory);
  for (int i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * static_cast<std::size_t>(i);
    if (number16(at) != 274) continue;
    const int value = number16(at + 8);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

int jpeg_orientation(const Bytes& bytes) {
  for (std::size_t at = 2; bytes.byte(at) == 0xff && bytes.byte(at + 1) != 0xda;) {
    const std::size_t length = bytes.big16(at + 2);
    if (bytes.byte(at + 1) == 0xe1 && length > 16 &&
        bytes.text(at + 4, 6) == std::string("Exif\0\0", 6)) {
      return orientation_in(bytes, at + 10);
    }
    at += length + 2;
  }
  return 1;
}

int png_orientation(const Bytes& bytes) {
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t length = bytes.big32(at);
    if (bytes.text(at + 4, 4) == "eXIf") return orientation_in(bytes, at + 8);
    at += length + 12;
  }
  return 1;
}

}  // namespace

RawSamples with_raw_samples(std::span<const std::uint8_t> bytes, const std::string& file,
                            int page) {
  if (is_png(bytes)) return raw_png(bytes, file);
  if (is_bmp(bytes)) return raw_bmp(bytes, file);
  if (is_tiff(bytes)) return raw_tiff(bytes, file, page);
  return {{bytes.begin(), bytes.end()}, 1};
}

std::vector<std::uint8_t> tiff_page(std::span<const std::uint8_t> data, const std::string& file,
                                    int page) {
  const Bytes bytes(data, file);
  const auto start = tiff_pages(bytes).at(static_cast<std::size_t>(page));
  const bool big = bytes.byte(0) == 'M';
  std::vector<std::uint8_t> copy(data.begin(), data.end());
  for (std::size_t i = 0; i < 4; ++i)
    copy[4 + i] = static_cast<std::uint8_t>(start >> (big ? 24 - 8 * i : 8 * i));
  return copy;
}

std::vector<std::uint8_t> without_orientation(std::span<const std::uint8_t> data,
                                              const std::string& file) {
  std::vector<std::uint8_t> copy(data.begin(), data.end());
  put16(copy, read_tiff_header(Bytes(data, file)).orientation_at, 1);
  return copy;
}

int count_pages(std::span<const std::uint8_t> bytes, const std::string& file) {
  return is_tiff(bytes) ? static_cast<int>(tiff_pages(Bytes(bytes, file)).size()) : 1;
}

int exif_orientation(std::span<const std::uint8_t> data, const std::string& file) {
  const Bytes bytes(data, file);
  try {
    if (is_png(data)) return png_orientation(bytes);
    if (is_tiff(data)) return orientation_in(bytes, 0);
    if (data.size() > 4 && data[0] == 0xff && data[1] == 0xd8) return jpeg_orientation(bytes);
  } catch (const DataError&) {  // an EXIF block that ends early says nothing; the pixels are whole
  }
  return 1;
}

}  // namespace medseg
