#include "zip.h"

#include <cstring>
#include <limits>

#include <zlib.h>

#include "byte_reader.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::uint32_t kEndRecord = 0x06054b50, kEnd64Record = 0x06064b50,
                        kEnd64Locator = 0x07064b50;
constexpr std::uint32_t kCentralEntry = 0x02014b50, kLocalEntry = 0x04034b50;
constexpr std::uint64_t kMostDeflated = 1032;  // deflate packs at most this many bytes into one
constexpr std::uint64_t kEndSize = 22, kLocatorSize = 20;

struct Directory {
  std::uint64_t count = 0, offset = 0;
};

// The end record is the last, before a comment of at most 64 KiB.
std::uint64_t find_end_record(std::span<const std::uint8_t> bytes, const std::string& where) {
  if (bytes.size() >= kEndSize) {
    const std::uint64_t lowest =
        bytes.size() > kEndSize + 65535 ? bytes.size() - kEndSize - 65535 : 0;
    for (std::uint64_t at = bytes.size() - kEndSize + 1; at-- > lowest;) {
      std::uint32_t magic = 0;
      std::memcpy(&magic, bytes.data() + at, sizeof magic);
      if (magic == kEndRecord) return at;
    }
  }
  throw CheckpointError(where,
                        "no zip directory at its end; the file is truncated or no zip archive");
}

Directory read_end_record(std::span<const std::uint8_t> bytes, const std::string& where) {
  const auto end = find_end_record(bytes, where);
  ByteReader reader(bytes, where, end + 10);
  Directory directory;
  directory.count = reader.read<std::uint16_t>();
  reader.read<std::uint32_t>();  // size of the directory
  directory.offset = reader.read<std::uint32_t>();
  if (directory.count != 0xffff && directory.offset != 0xffffffff) return directory;
  if (end < kLocatorSize) reader.fail("zip64 locator is missing");
  ByteReader locator(bytes, where, end - kLocatorSize);
  if (locator.read<std::uint32_t>() != kEnd64Locator) reader.fail("zip64 locator is missing");
  locator.read<std::uint32_t>();
  ByteReader wide(bytes, where, locator.read<std::uint64_t>());
  if (wide.read<std::uint32_t>() != kEnd64Record) reader.fail("zip64 record is missing");
  wide.take(8 + 2 + 2 + 4 + 4 + 8);
  directory.count = wide.read<std::uint64_t>();
  wide.read<std::uint64_t>();
  directory.offset = wide.read<std::uint64_t>();
  return directory;
}

struct CentralEntry {
  std::string name;
  std::uint16_t flags = 0, method = 0;
  std::uint64_t packed = 0, size = 0, local = 0;
};

// Sizes that do not fit 32 bits are in extra field 1: only those, in this order.
void read_zip64_sizes(ByteReader extra, CentralEntry& entry) {
  while (extra.left() >= 4) {
    const auto tag = extra.read<std::uint16_t>();
    const auto length = extra.read<std::uint16_t>();
    ByteReader field(extra.take(length), extra.where());
    if (tag != 1) continue;
    for (auto* value : {&entry.size, &entry.packed, &entry.local}) {
      if (*value == 0xffffffff) *value = field.read<std::uint64_t>();
    }
  }
}

CentralEntry read_central_entry(ByteReader& reader) {
  if (reader.read<std::uint32_t>() != kCentralEntry) reader.fail("zip directory is damaged");
  CentralEntry entry;
  reader.take(4);
  entry.flags = reader.read<std::uint16_t>();
  entry.method = reader.read<std::uint16_t>();
  reader.take(8);
  entry.packed = reader.read<std::uint32_t>();
  entry.size = reader.read<std::uint32_t>();
  const auto name_length = reader.read<std::uint16_t>();
  const auto extra_length = reader.read<std::uint16_t>();
  const auto comment_length = reader.read<std::uint16_t>();
  reader.take(8);
  entry.local = reader.read<std::uint32_t>();
  entry.name = reader.text(name_length);
  read_zip64_sizes(ByteReader(reader.take(extra_length), reader.where()), entry);
  reader.take(comment_length);
  return entry;
}

}  // namespace

std::map<std::string, ZipEntry> read_zip(std::span<const std::uint8_t> bytes,
                                         const std::string& where) {
  const auto directory = read_end_record(bytes, where);
  std::map<std::string, ZipEntry> entries;
  ByteReader reader(bytes, where, directory.offset);
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    const auto central = read_central_entry(reader);
    if ((central.flags & 1) != 0) reader.fail(central.name + " is encrypted");
    if (central.method != 0 && central.method != 8) {
      reader.fail(str_cat(central.name, ": compression method ", central.method,
                          ", known are stored and deflated"));
    }
    ByteReader local(bytes, where, central.local);
    if (local.read<std::uint32_t>() != kLocalEntry)
      reader.fail(central.name + ": local header is damaged");
    local.take(22);
    const auto name_length = local.read<std::uint16_t>();
    const auto extra_length = local.read<std::uint16_t>();
    local.take(std::uint64_t{name_length} + extra_length);
    if (central.method == 0 && central.packed != central.size)
      reader.fail(central.name + ": sizes contradict");
    const bool fresh =
        entries
            .emplace(central.name,
                     ZipEntry{central.method, local.take(central.packed), central.size})
            .second;
    if (!fresh) reader.fail(central.name + " occurs twice");
  }
  return entries;
}

void check_deflated_size(const ZipEntry& entry, const std::string& where) {
  if (entry.size > entry.compressed.size() * kMostDeflated + kMostDeflated ||
      entry.compressed.size() > std::numeric_limits<uInt>::max() ||
      entry.size > std::numeric_limits<uInt>::max()) {
    throw CheckpointError(where,
                          str_cat(entry.compressed.size(), " bytes cannot unpack to ", entry.size));
  }
}

void inflate_into(const ZipEntry& entry, const std::string& where, std::span<std::uint8_t> out) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw CheckpointError(where, "cannot inflate");
  stream.next_in = const_cast<Bytef*>(entry.compressed.data());
  stream.avail_in = static_cast<uInt>(entry.compressed.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  const int code = inflate(&stream, Z_FINISH);
  const bool whole = code == Z_STREAM_END && stream.total_out == entry.size;
  inflateEnd(&stream);
  if (!whole) throw CheckpointError(where, "damaged deflate stream");
}

std::string unpack(const ZipEntry& entry, const std::string& where, std::uint64_t limit) {
  if (entry.size > limit) {
    throw CheckpointError(
        where, str_cat("unpacks to ", entry.size, " bytes, at most ", limit, " are read"));
  }
  if (entry.method == 0) {
    return {reinterpret_cast<const char*>(entry.compressed.data()), entry.compressed.size()};
  }
  check_deflated_size(entry, where);
  std::string out(entry.size, '\0');
  inflate_into(entry, where, {reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

}  // namespace medseg
