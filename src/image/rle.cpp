#include "medseg/image/rle.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::int64_t kMaxPixels = std::int64_t{1} << 28;  // as pictures

void append_count(std::string& text, std::int64_t value) {
  for (bool more = true; more;) {  // five bits a character, the lowest first, sign in the last
    int bits = static_cast<int>(value & 0x1f);
    value >>= 5;
    more = (bits & 0x10) != 0 ? value != -1 : value != 0;
    if (more) bits |= 0x20;
    text += static_cast<char>(bits + 48);
  }
}

/// Next number of `counts` at `position`. \throws DataError if it is malformed.
std::int64_t read_count(const std::string& counts, std::size_t& position) {
  const std::size_t start = position;
  std::int64_t value = 0;
  for (int shift = 0;; shift += 5) {
    if (position == counts.size()) {
      throw DataError(str_cat("rle counts: the number at character ", start, " has no end"));
    }
    const int bits = static_cast<unsigned char>(counts[position]) - 48;
    if (bits < 0 || bits > 0x3f || shift > 35) {
      throw DataError(str_cat("rle counts: malformed at character ", position,
                              "; expected characters '0' to 'o', at most 8 a number"));
    }
    ++position;
    value |= static_cast<std::int64_t>(bits & 0x1f) << shift;
    if ((bits & 0x20) == 0) {
      if ((bits & 0x10) != 0) value -= std::int64_t{1} << (shift + 5);  // negative difference
      return value;
    }
  }
}

/// Eight words of eight bytes: byte j of word i changes places with byte i of word j.
void transpose_8x8(std::array<std::uint64_t, 8>& rows) {
  static_assert(std::endian::native == std::endian::little, "byte 0 of a word is its lowest");
  const auto swap = [&](std::size_t a, std::size_t b, unsigned bits, std::uint64_t mask) {
    const std::uint64_t other = ((rows[a] >> bits) ^ rows[b]) & mask;
    rows[b] ^= other;
    rows[a] ^= other << bits;
  };
  for (const std::size_t k : {0U, 1U, 2U, 3U}) swap(k, k + 4, 32, 0x00000000ffffffff);
  for (const std::size_t k : {0U, 1U, 4U, 5U}) swap(k, k + 2, 16, 0x0000ffff0000ffff);
  for (const std::size_t k : {0U, 2U, 4U, 6U}) swap(k, k + 1, 8, 0x00ff00ff00ff00ff);
}

/// Runs go down the columns, masks along the rows: `rows` x `columns` bytes with the two exchanged.
std::vector<std::uint8_t> transposed(const std::uint8_t* bytes, std::size_t rows,
                                     std::size_t columns) {
  std::vector<std::uint8_t> turned(rows * columns);
  const std::size_t whole_rows = rows / 8 * 8, whole_columns = columns / 8 * 8;
  std::array<std::uint64_t, 8> tile{};
  for (std::size_t y = 0; y < whole_rows; y += 8) {
    for (std::size_t x = 0; x < whole_columns; x += 8) {
      for (std::size_t k = 0; k < 8; ++k) std::memcpy(&tile[k], bytes + (y + k) * columns + x, 8);
      transpose_8x8(tile);
      for (std::size_t k = 0; k < 8; ++k)
        std::memcpy(turned.data() + (x + k) * rows + y, &tile[k], 8);
    }
  }
  for (std::size_t y = 0; y < rows; ++y) {
    const std::size_t first = y < whole_rows ? whole_columns : 0;
    for (std::size_t x = first; x < columns; ++x) turned[x * rows + y] = bytes[y * columns + x];
  }
  return turned;
}

/// The first place from `at` on whose byte is not `value`; `end` if there is none.
std::size_t end_of_run(const std::uint8_t* bytes, std::size_t at, std::size_t end,
                       std::uint8_t value) {
  const std::uint64_t all = value * std::uint64_t{0x0101010101010101};
  for (std::uint64_t eight = 0; at + 8 <= end; at += 8) {
    std::memcpy(&eight, bytes + at, 8);
    if (eight != all) break;
  }
  while (at < end && bytes[at] == value) ++at;
  return at;
}

}  // namespace

Rle encode_rle(const Mask& mask) {
  Rle rle{mask.height, mask.width, {}};
  std::int64_t before[2] = {0, 0};  // the last runs of 0 and of 1
  std::int64_t index = 0;
  const auto end_run = [&](std::int64_t run) {
    // The first three counts are plain, later ones differences: pycocotools' i > 2.
    append_count(rle.counts, index > 2 ? run - before[index % 2] : run);
    before[index % 2] = run;
    ++index;
  };
  const auto bytes = transposed(mask.pixels.data(), static_cast<std::size_t>(mask.height),
                                static_cast<std::size_t>(mask.width));
  std::uint8_t current = 0;
  for (std::size_t at = 0;;) {
    const std::size_t end = end_of_run(bytes.data(), at, bytes.size(), current);
    end_run(static_cast<std::int64_t>(end - at));
    if (end == bytes.size()) return rle;
    at = end;
    current = bytes[at];
  }
}

Mask decode_rle(const Rle& rle) {
  const std::int64_t total = std::int64_t{rle.height} * rle.width;
  if (rle.height < 0 || rle.width < 0 || total > kMaxPixels) {
    throw DataError(str_cat("rle size: found [", rle.height, ", ", rle.width,
                            "], expected a height and a width of at most 2^28 pixels together"));
  }
  std::vector<std::int64_t> runs;
  std::int64_t sum = 0;
  for (std::size_t position = 0; position < rle.counts.size();) {
    std::int64_t run = read_count(rle.counts, position);
    if (runs.size() > 2) run += runs[runs.size() - 2];
    if (run < 0 || run > total - sum) {
      throw DataError(str_cat("rle counts: run ", runs.size(), " is ", run, ", but ", total - sum,
                              " of ", total, " pixels are left"));
    }
    sum += run;
    runs.push_back(run);
  }
  if (sum != total) {
    throw DataError(str_cat("rle counts: the runs add up to ", sum, ", expected ", rle.height,
                            " * ", rle.width, " = ", total));
  }
  std::vector<std::uint8_t> columns(static_cast<std::size_t>(total));
  std::int64_t at = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i % 2 == 1) std::fill_n(columns.begin() + at, runs[i], std::uint8_t{1});
    at += runs[i];
  }
  Mask mask(rle.width, rle.height);
  mask.pixels = transposed(columns.data(), static_cast<std::size_t>(rle.width),
                           static_cast<std::size_t>(rle.height));
  return mask;
}

}  // namespace medseg
