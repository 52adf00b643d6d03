/// \file
/// What tests of converters share: a source that the test draws, and its conversion.
#pragma once

#include <filesystem>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/convert/convert.h"
#include "medseg/dataset/doctor.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"

namespace medseg {

/// Draws a small source below `src` and converts it into `out`.
class ConvertTest : public TempFolderTest {
 protected:
  void image(const std::string& name, int tone = 0) const {
    Image made{40, 30, 1, {}};
    for (int i = 0; i < 1200; ++i)
      made.pixels.push_back(static_cast<std::uint8_t>((i * 7 + tone * 13) % 251));
    write_png(folder_ / "src" / name, made);
  }
  void mask(const std::string& name, int x0, int side = 10) const {
    write_png(folder_ / "src" / name, square(x0, side));
  }
  static Mask square(int x0, int side = 10) {
    Mask made(40, 30);
    for (int y = 5; y < 5 + side; ++y)
      for (int x = x0; x < x0 + side; ++x) made.pixels[static_cast<std::size_t>(y * 40 + x)] = 1;
    return made;
  }
  void text(const std::string& name, const std::string& content) const {
    write_file(folder_ / "src" / name, content);
  }

  ConvertOptions options(const std::string& format) const {
    ConvertOptions asked;
    asked.format = format;
    asked.sources = {folder_ / "src"};
    asked.out = folder_ / "out";
    return asked;
  }
  /// Converts; the result has no fault.
  Manifest read(const ConvertOptions& asked) {
    summary_ = convert(asked);
    for (const auto& fault : examine({asked.out / "manifest.jsonl"}).faults)
      ADD_FAILURE() << fault.what;
    return Manifest::read(asked.out / "manifest.jsonl");
  }
  static std::set<std::string> labels(const Manifest& manifest) {
    std::set<std::string> found;
    for (const auto& record : manifest.records())
      for (const auto& [id, one] : record.masks) found.insert(one.label);
    return found;
  }
  static std::set<std::string> denied(const Manifest& manifest) {
    std::set<std::string> found;
    for (const auto& record : manifest.records())
      found.insert(record.absent.begin(), record.absent.end());
    return found;
  }
  static Mask first_mask(const Manifest& manifest, const Record& record) {
    for (const auto& turn : record.turns) {
      if (!turn.masks.empty()) return load_mask(manifest, record, turn.masks.front(), 40, 30);
    }
    ADD_FAILURE() << record.id << " has no mask";
    return {};
  }

  ConvertSummary summary_;
};

}  // namespace medseg
