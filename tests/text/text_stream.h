/// \file
/// Ten thousand random and difficult texts, the same here and in scripts/reference/text_stream.py,
/// and the Python tokenizers' results for them: one digest per hundred texts
/// (tests/golden/text/stream).
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "golden.h"
#include "medseg/base/hash.h"
#include "medseg/base/random.h"

namespace medseg::golden {

inline constexpr std::size_t kStreamTexts = 10'000;
inline constexpr std::size_t kStreamBlock = 100;

inline void append_scalar(std::string& text, std::size_t c) {
  const auto push = [&](std::size_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) return push(c);
  if (c < 0x800) {
    push(0xC0 | c >> 6);
  } else if (c < 0x10000) {
    push(0xE0 | c >> 12);
    push(0x80 | (c >> 6 & 0x3F));
  } else {
    push(0xF0 | c >> 18);
    push(0x80 | (c >> 12 & 0x3F));
    push(0x80 | (c >> 6 & 0x3F));
  }
  push(0x80 | (c & 0x3F));
}

inline std::string stream_text(std::size_t index) {
  static const auto pool = read("stream/pool.json");
  static const auto pieces = pool["pieces"].get<std::vector<std::string>>();
  static const auto ranges = pool["ranges"].get<std::vector<std::vector<std::size_t>>>();
  RandomStream random(20251124, "texts", index);
  std::string text;
  const auto parts = 1 + random.below(14);
  for (std::size_t i = 0; i < parts; ++i) {
    const auto kind = random.below(8);
    if (kind < 4) {
      text += pieces[random.below(pieces.size())];
    } else if (kind == 4) {
      const auto& piece = pieces[random.below(pieces.size())];
      for (auto times = 2 + random.below(6); times > 0; --times) text += piece;
    } else if (kind == 5) {  // any scalar value, most of them unassigned
      const auto c = random.below(0x110000 - 0x800);
      append_scalar(text, c < 0xD800 ? c : c + 0x800);
    } else if (kind == 6) {
      const auto& range = ranges[random.below(ranges.size())];
      append_scalar(text, range[0] + random.below(range[1] - range[0] + 1));
    } else {
      for (auto letters = 1 + random.below(9); letters > 0; --letters) {
        text.push_back(static_cast<char>(0x20 + random.below(95)));
      }
    }
  }
  return text;
}

inline std::string ids_text(const Ids& ids) {
  std::string text;
  for (const auto id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

/// Compares `of` each text with the digests of `expected` (a list in stream/NAME.json).
inline void expect_stream(const nlohmann::json& expected,
                          const std::function<std::string(const std::string&)>& of) {
  ASSERT_EQ(expected.size(), kStreamTexts / kStreamBlock);
  for (std::size_t block = 0; block < expected.size(); ++block) {
    std::string all;
    for (std::size_t i = 0; i < kStreamBlock; ++i) {
      all += of(stream_text(block * kStreamBlock + i)) + "\n";
    }
    EXPECT_EQ(sha256(all).substr(0, 16), expected[block])
        << "among the texts " << block * kStreamBlock << " to " << (block + 1) * kStreamBlock - 1;
  }
}

}  // namespace medseg::golden
