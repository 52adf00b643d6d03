#include "medseg/image/rle.h"

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
  std::int64_t run = 0;
  std::uint8_t current = 0;
  const auto width = static_cast<std::size_t>(mask.width);
  for (int x = 0; x < mask.width; ++x) {
    for (int y = 0; y < mask.height; ++y, ++run) {
      const std::uint8_t value =
          mask.pixels[static_cast<std::size_t>(y) * width + static_cast<std::size_t>(x)];
      if (value == current) continue;
      end_run(run);
      run = 0;
      current = value;
    }
  }
  end_run(run);
  return rle;
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
  Mask mask(rle.width, rle.height);
  std::int64_t at = 0;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i % 2 == 0) {
      at += runs[i];
      continue;
    }
    for (const std::int64_t end = at + runs[i]; at < end; ++at) {
      mask.pixels[static_cast<std::size_t>(at % rle.height * rle.width + at / rle.height)] = 1;
    }
  }
  return mask;
}

}  // namespace medseg
