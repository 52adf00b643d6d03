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

namespace {

/// `window_bits` as zlib's inflateInit2: 47 finds gzip and zlib by their heads, -15 has no head.
std::string unpack(std::span<const std::uint8_t> bytes, std::uint64_t limit, int window_bits,
                   const std::string& where) {
  constexpr std::size_t kChunk = 1 << 20;
  z_stream stream{};
  if (inflateInit2(&stream, window_bits) != Z_OK) throw DataError(where + ": cannot inflate");
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
      if (window_bits > 0 && is_gzip(left) && inflateReset(&stream) == Z_OK) code = Z_OK;
    }
  }
  inflateEnd(&stream);
  const bool whole = code == Z_STREAM_END || (code == Z_OK && out.size() == limit);
  if (!whole) throw DataError(where + ": damaged or truncated gzip stream");
  return out;
}

}  // namespace

std::string gunzip(std::span<const std::uint8_t> bytes, std::uint64_t limit,
                   const std::string& where) {
  return unpack(bytes, limit, 15 + 32, where);
}

std::string inflate_bare(std::span<const std::uint8_t> bytes, std::uint64_t limit,
                         const std::string& where) {
  return unpack(bytes, limit, -15, where);
}

std::string gzip(std::string_view bytes, PackedForm form) {
  z_stream stream{};
  const int window = form == PackedForm::kGzip ? 15 + 16 : 15;
  MEDSEG_CHECK(deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY) == Z_OK,
               "zlib cannot begin");
  std::string out, chunk(std::size_t{1} << 18, '\0');
  std::size_t consumed = 0;
  int code = Z_OK;
  while (code == Z_OK) {
    if (stream.avail_in == 0 && consumed < bytes.size()) {
      const auto piece = std::min<std::size_t>(bytes.size() - consumed, 1U << 30);
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data() + consumed));
      stream.avail_in = static_cast<uInt>(piece);
      consumed += piece;
    }
    stream.next_out = reinterpret_cast<Bytef*>(chunk.data());
    stream.avail_out = static_cast<uInt>(chunk.size());
    code = deflate(&stream, consumed == bytes.size() ? Z_FINISH : Z_NO_FLUSH);
    out.append(chunk, 0, chunk.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  MEDSEG_CHECK(code == Z_STREAM_END, "zlib did not finish");
  return out;
}

}  // namespace medseg
