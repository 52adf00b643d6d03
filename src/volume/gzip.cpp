#include "gzip.h"

#include <algorithm>

#include <zlib.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

bool is_gzip(std::span<const std::uint8_t> bytes) {
  return bytes.size() > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

void check_can_unpack(std::span<const std::uint8_t> bytes, std::uint64_t needed,
                      const std::string& where) {
  if (needed / 1032 > bytes.size()) {
    throw DataError(str_cat(where, ": truncated: its header promises ", needed, " bytes, which ",
                            bytes.size(), " packed bytes cannot hold"));
  }
}

std::string gunzip(std::span<const std::uint8_t> bytes, std::uint64_t limit,
                   const std::string& where) {
  constexpr std::size_t kChunk = 1 << 20;
  z_stream stream{};
  if (inflateInit2(&stream, 15 + 32) != Z_OK) throw DataError(where + ": cannot inflate");
  std::string out;
  std::size_t consumed = 0;
  int code = Z_OK;
  while (code == Z_OK && out.size() < limit) {
    if (stream.avail_in == 0) {
      const auto piece = std::min<std::size_t>(bytes.size() - consumed, 1U << 30);
      if (piece == 0) break;
      stream.next_in = const_cast<Bytef*>(bytes.data() + consumed);
      stream.avail_in = static_cast<uInt>(piece);
      consumed += piece;
    }
    const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, limit - out.size()));
    const auto before = out.size();
    out.resize(before + room);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(room);
    code = inflate(&stream, Z_NO_FLUSH);
    out.resize(before + room - stream.avail_out);
    if (code == Z_STREAM_END && out.size() < limit) {
      // Further members follow (RFC 1952 2.2: bgzip, pigz -i); zero bytes behind the last one are
      // padding.
      const auto left = bytes.subspan(consumed - stream.avail_in);
      if (is_gzip(left) && inflateReset(&stream) == Z_OK) code = Z_OK;
    }
  }
  inflateEnd(&stream);
  const bool whole = code == Z_STREAM_END || (code == Z_OK && out.size() == limit);
  if (!whole) throw DataError(where + ": damaged or truncated gzip stream");
  return out;
}

}  // namespace medseg
