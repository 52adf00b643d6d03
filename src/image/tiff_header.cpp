#include "tiff_header.h"

#include <algorithm>
#include <set>

#include "medseg/base/str.h"

namespace medseg {
namespace {

enum Tag : std::uint16_t {
  kWidth = 256,
  kHeight = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStripOffsets = 273,
  kOrientation = 274,
  kSamples = 277,
  kStripBytes = 279,
  kTileOffsets = 324,
  kTileBytes = 325,
  kSampleFormat = 339,
};

/// A list of unsigned numbers somewhere in the file.
struct Entry {
  std::uint32_t count = 0;
  std::size_t at = 0;
  bool is_short = false;
};

class Directory {
 public:
  Directory(const Bytes& bytes, std::optional<std::size_t> start)
      : bytes_(bytes), big_(bytes.byte(0) == 'M') {
    start_ = start ? *start : number32(4);
    entries_ = number16(start_);
  }

  /// Byte of the tag's entry; 0 where there is none.
  std::size_t entry_of(int tag) const {
    for (std::size_t i = 0; i < entries_; ++i) {
      if (number16(start_ + 2 + 12 * i) == tag) return start_ + 2 + 12 * i;
    }
    return 0;
  }

  /// Where the next page's directory begins; 0 behind the last.
  std::size_t next() const {
    const std::size_t at = start_ + 2 + 12 * entries_;
    return at + 4 <= bytes_.size() ? number32(at) : 0;
  }

  std::optional<Entry> find(Tag tag) const {
    for (std::size_t i = 0; i < entries_; ++i) {
      const std::size_t at = start_ + 2 + 12 * i;
      if (number16(at) != tag) continue;
      const int type = number16(at + 2);
      Entry entry{number32(at + 4), at + 8, type == 3};
      if (type != 3 && type != 4) {
        throw DataError(str_cat(bytes_.file(), ": TIFF tag ", tag, " has type ", type,
                                ", expected 3 (short) or 4 (long)"));
      }
      const std::size_t size = std::size_t{entry.count} * (entry.is_short ? 2 : 4);
      if (size > 4) entry.at = number32(at + 8);
      if (size > bytes_.size() || entry.at > bytes_.size() - size) {
        throw DataError(
            str_cat(bytes_.file(), ": truncated TIFF: tag ", tag, " lies beyond the file"));
      }
      return entry;
    }
    return std::nullopt;
  }

  std::uint32_t value(const Entry& entry, std::size_t index) const {
    return entry.is_short ? number16(entry.at + 2 * index) : number32(entry.at + 4 * index);
  }

  std::uint32_t value_or(Tag tag, std::uint32_t otherwise) const {
    const auto entry = find(tag);
    return entry && entry->count > 0 ? value(*entry, 0) : otherwise;
  }

 private:
  std::uint16_t number16(std::size_t at) const {
    return big_ ? bytes_.big16(at) : bytes_.little16(at);
  }
  std::uint32_t number32(std::size_t at) const {
    return big_ ? bytes_.big32(at) : bytes_.little32(at);
  }

  const Bytes& bytes_;
  bool big_;
  std::size_t start_ = 0;
  std::size_t entries_ = 0;
};

/// Bytes of all strips or tiles. \throws DataError if one lies beyond the file.
std::int64_t packed_bytes(const Directory& directory, const Bytes& bytes) {
  const bool tiled = directory.find(kTileOffsets).has_value();
  const auto offsets = directory.find(tiled ? kTileOffsets : kStripOffsets);
  const auto sizes = directory.find(tiled ? kTileBytes : kStripBytes);
  if (!offsets || !sizes || offsets->count != sizes->count) {
    throw DataError(bytes.file() + ": TIFF whose strips and their sizes do not match");
  }
  std::int64_t total = 0;
  for (std::size_t i = 0; i < offsets->count; ++i) {
    const std::int64_t end =
        std::int64_t{directory.value(*offsets, i)} + directory.value(*sizes, i);
    if (end > static_cast<std::int64_t>(bytes.size())) {
      throw DataError(str_cat(bytes.file(), ": truncated TIFF: strip ", i, " ends at byte ", end,
                              ", the file has ", bytes.size()));
    }
    total += directory.value(*sizes, i);
  }
  return total;
}

}  // namespace

std::vector<std::size_t> tiff_pages(const Bytes& bytes) {
  constexpr std::size_t kMostPages = 65536;
  std::vector<std::size_t> pages;
  std::set<std::size_t> seen;
  const bool big = bytes.byte(0) == 'M';
  for (std::size_t at = big ? bytes.big32(4) : bytes.little32(4); at != 0;) {
    if (pages.size() == kMostPages || !seen.insert(at).second)
      throw DataError(bytes.file() + ": TIFF whose pages do not end");
    pages.push_back(at);
    at = Directory(bytes, at).next();
  }
  return pages;
}

TiffHeader read_tiff_header(const Bytes& bytes, std::optional<std::size_t> start) {
  const Directory directory(bytes, start);
  TiffHeader header;
  header.width = directory.value_or(kWidth, 0);
  header.height = directory.value_or(kHeight, 0);
  header.photometric = static_cast<int>(directory.value_or(kPhotometric, 1));
  header.white_is_zero = header.photometric == 0;
  const auto byte_of = [&](Tag tag) {
    const auto entry = directory.find(tag);
    return entry && entry->is_short && entry->count > 0 ? entry->at : 0;
  };
  header.photometric_at = byte_of(kPhotometric);
  header.format_at = byte_of(kSampleFormat);
  for (const int tag : {305, 296, 270, 306}) {  // software, resolution unit, description, date
    if (header.spare_at == 0) header.spare_at = directory.entry_of(tag);
  }
  header.orientation_at = byte_of(kOrientation);
  header.orientation = static_cast<int>(directory.value_or(kOrientation, 1));
  header.bits = static_cast<int>(std::min<std::uint32_t>(directory.value_or(kBits, 1), 64));
  header.floating = directory.value_or(kSampleFormat, 1) == 3;
  header.samples = static_cast<int>(std::min<std::uint32_t>(directory.value_or(kSamples, 1), 64));
  const std::int64_t packed = packed_bytes(directory, bytes);
  const std::int64_t bits =
      std::int64_t{directory.value_or(kBits, 1)} * directory.value_or(kSamples, 1);
  const bool plain = directory.value_or(kCompression, 1) == 1;
  // Sizes far beyond any picture are the caller's to refuse; here they must only not overflow.
  const std::int64_t row =
      std::min(header.width, std::int64_t{1} << 28) * std::min<std::int64_t>(bits, 1 << 12) / 8;
  const std::int64_t raw = row * std::min(header.height, std::int64_t{1} << 22);
  if (raw > (plain ? packed : 2048 * packed)) {
    throw DataError(str_cat(bytes.file(), ": TIFF of ", header.width, " x ", header.height,
                            " pixels with ", packed, " bytes of data, which cannot hold them"));
  }
  return header;
}

}  // namespace medseg
