#include "gif.h"

#include <array>
#include <string_view>

#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr int kMostPixels = 1 << 24;
constexpr int kMostCodes = 4096;

class GifReader {
 public:
  GifReader(std::string_view bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {}

  Image read() {
    const auto head = take(6);
    if (head != "GIF87a" && head != "GIF89a") fail("no GIF");
    const int width = word(), height = word();
    if (width == 0 || height == 0 || width * height > kMostPixels) fail("too large, or empty");
    const int flags = byte();
    take(2);
    if ((flags & 0x80) != 0) read_palette(flags);
    Image image{width, height, 1,
                std::vector<std::uint8_t>(static_cast<std::size_t>(width) *
                                          static_cast<std::size_t>(height))};
    while (true) {
      const int kind = byte();
      if (kind == 0x2c) break;
      if (kind != 0x21) fail("no frame");
      byte();  // the extension's label
      skip_blocks();
    }
    read_frame(image);
    return image;
  }

 private:
  struct Frame {
    int left = 0, top = 0, width = 0, height = 0;
    bool interlaced = false;
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw DataError(file_, str_cat("a GIF, at byte ", at_, ": ", what));
  }
  std::string_view take(std::size_t size) {
    if (size > bytes_.size() - at_) fail("cut short");
    const auto part = bytes_.substr(at_, size);
    at_ += size;
    return part;
  }
  int byte() { return static_cast<unsigned char>(take(1)[0]); }
  int word() {
    const int low = byte();
    return low | byte() << 8;
  }
  void skip_blocks() {
    for (int size = byte(); size != 0; size = byte()) take(static_cast<std::size_t>(size));
  }

  void read_palette(int flags) {
    const int colours = 2 << (flags & 7);
    for (int i = 0; i < colours; ++i) {
      const int sum = byte() + byte() + byte();
      palette_[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(sum / 3);
    }
  }

  void read_frame(Image& image) {
    Frame frame;
    frame.left = word();
    frame.top = word();
    frame.width = word();
    frame.height = word();
    if (frame.left + frame.width > image.width || frame.top + frame.height > image.height)
      fail("a frame beyond its image");
    const int flags = byte();
    frame.interlaced = (flags & 0x40) != 0;
    if ((flags & 0x80) != 0) read_palette(flags);
    const int code_size = byte();
    if (code_size < 1 || code_size > 8) fail("a broken code size");
    std::string data;
    for (int size = byte(); size != 0; size = byte()) data += take(static_cast<std::size_t>(size));
    place(image, frame, unpacked(data, code_size, frame.width * frame.height));
  }

  /// LZW with codes that grow to 12 bits.
  std::string unpacked(const std::string& data, int code_size, int wanted) const {
    const int clear = 1 << code_size, end = clear + 1;
    std::array<int, kMostCodes> prefix{};
    std::array<char, kMostCodes> last{};
    int next = end + 1, bits = code_size + 1, before = -1;
    char first = 0;
    std::string pixels, word;
    std::uint32_t buffer = 0;
    int held = 0;
    std::size_t at = 0;
    while (static_cast<int>(pixels.size()) < wanted) {
      while (held < bits) {
        if (at == data.size()) fail("its pixels end early");
        buffer |= static_cast<std::uint32_t>(static_cast<unsigned char>(data[at++])) << held;
        held += 8;
      }
      const int code = static_cast<int>(buffer & ((1U << bits) - 1));
      buffer >>= bits;
      held -= bits;
      if (code == clear) {
        next = end + 1;
        bits = code_size + 1;
        before = -1;
        continue;
      }
      if (code == end) fail("its pixels end early");
      if (code > next || (code == next && before < 0)) fail("a broken code");
      word.clear();
      int walk = code;
      if (code == next) {
        word += first;
        walk = before;
      }
      for (; walk > end; walk = prefix[static_cast<std::size_t>(walk)])
        word += last[static_cast<std::size_t>(walk)];
      if (walk >= clear) fail("a broken code");
      first = static_cast<char>(walk);
      word += first;
      pixels.append(word.rbegin(), word.rend());
      if (before >= 0 && next < kMostCodes) {
        prefix[static_cast<std::size_t>(next)] = before;
        last[static_cast<std::size_t>(next)] = first;
        ++next;
        if (next == 1 << bits && bits < 12) ++bits;
      }
      before = code;
    }
    return pixels;
  }

  void place(Image& image, const Frame& frame, const std::string& pixels) const {
    std::vector<int> rows;
    if (frame.interlaced) {
      for (const auto& [start, step] :
           {std::pair{0, 8}, std::pair{4, 8}, std::pair{2, 4}, std::pair{1, 2}})
        for (int y = start; y < frame.height; y += step) rows.push_back(y);
    } else {
      for (int y = 0; y < frame.height; ++y) rows.push_back(y);
    }
    std::size_t at = 0;
    for (const int y : rows) {
      for (int x = 0; x < frame.width; ++x, ++at) {
        const auto index = static_cast<unsigned char>(pixels[at]);
        image.pixels[static_cast<std::size_t>(y + frame.top) *
                         static_cast<std::size_t>(image.width) +
                     static_cast<std::size_t>(x + frame.left)] = palette_[index];
      }
    }
  }

  std::string_view bytes_;
  std::string file_;
  std::size_t at_ = 0;
  std::array<std::uint8_t, 256> palette_{};
};

}  // namespace

Image read_gif(const std::filesystem::path& path) {
  const std::string bytes = read_file(path);
  return GifReader(bytes, path.string()).read();
}

}  // namespace medseg
