#include "medseg/image/rle.h"

#include <algorithm>
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

/// Runs go down the columns, masks along the rows: `rows` x `columns` bytes with the two exchanged,
/// tile by tile, so that both sides stay in the cache.
std::vector<std::uint8_t> transposed(const std::uint8_t* bytes, std::size_t rows,
                                     std::size_t columns) {
  constexpr std::size_t kTile = 32;
  std::vector<std::uint8_t> turned(rows * columns);
  for (std::size_t y0 = 0; y0 < rows; y0 += kTile) {
    for (std::size_t x0 = 0; x0 < columns; x0 += kTile) {
      const std::size_t y1 = std::min(y0 + kTile, rows), x1 = std::min(x0 + kTile, columns);
      for (std::size_t x = x0; x < x1; ++x) {
        for (std::size_t y = y0; y < y1; ++y) turned[x * rows + y] = bytes[y * columns + x];
      }
    }
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
