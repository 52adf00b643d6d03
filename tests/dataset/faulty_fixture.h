/// \file
/// Manifests with one fault each, and what is said of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"
#include "medseg/image/codec.h"
#include "support/temp_folder_fixture.h"

namespace medseg {

inline constexpr const char* kImage = R"("image":"image.png")";
inline constexpr const char* kTriangle = R"("polygons":[[1,1,4,1,4,4]])";

class Faulty : public TempFolderTest {
 protected:
  struct Row {
    std::string what, manifest;
    std::string line;  ///< "1 seg-count …", with "DIR" for the folder; warnings say so in front
  };

  void SetUp() override {
    const auto golden = std::filesystem::path(MEDSEG_SOURCE_DIR) / "tests/golden";
    for (const char* name : {"colours.png", "deep.png", "hard.jpg", "ignore.png", "index.png",
                             "pages.tif", "soft.png", "turned6.jpg"})
      std::filesystem::copy(golden / "masks" / name, folder_ / name);
    for (const char* name : {"four_d.nii.gz", "pair.hdr", "pair.img", "plain.nii.gz", "scan.mha"})
      std::filesystem::copy(golden / "formats" / name, folder_ / name);
    std::filesystem::copy(folder_ / "pair.hdr", folder_ / "alone.hdr");
    Image image{19, 11, 1, {}};
    for (int i = 0; i < 19 * 11; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i));
    write_png(folder_ / "image.png", image);
    write_png(folder_ / "rgb.png", to_rgb(image));
    auto white = image;
    for (auto& pixel : white.pixels) pixel = pixel < 4 ? pixel : 255;
    write_png(folder_ / "white.png", white);
    for (std::size_t i = 0; i < image.pixels.size(); ++i)
      image.pixels[i] = static_cast<std::uint8_t>(i * 5);
    write_png(folder_ / "other.png", image);
    write_png(folder_ / "flat.png", Image{19, 11, 1, std::vector<std::uint8_t>(19 * 11, 7)});
    write_png(folder_ / "small.png", Mask(8, 11));
    write_png(folder_ / "empty.png", Mask(19, 11));
    Mask slice(5, 4);
    slice.pixels[3] = 1;
    write_png(folder_ / "slice.png", slice);
    for (const char* name : {"image.png", "plain.nii.gz"}) {
      const std::string whole = read_file(folder_ / name), text = name;
      write_file(folder_ / ("cut" + text.substr(text.find('.'))),
                 whole.substr(0, whole.size() / 2));
    }
    write_file(folder_ / "text.png", "no picture");
    write_file(folder_ / "page.jpg", "<!DOCTYPE html><html>404</html>");
  }

  /// A record with one mask, which is asked for.
  static std::string line(const std::string& id, const std::string& keys,
                          const std::string& mask = kTriangle) {
    return R"({"id":")" + id + R"(",)" + keys + R"(,"masks":{"m":{"label":"cyst",)" + mask +
           R"(}},"conversations":[{"from":"human","value":"<image>\nWhat?"},{"from":"gpt","value":"A <p> cyst </p> [SEG].","masks":["m"]}]})" +
           "\n";
  }
  static std::string turns(const std::string& list) {
    return R"({"id":"a","image":"image.png","conversations":)" + list + "}\n";
  }
  static std::string slice(const std::string& keys, int index, const std::string& mask = kTriangle,
                           const std::string& id = "a") {
    return line(id, str_cat(keys, R"x(,"window":"w(-130, 140)","slice":{"index":)x", index, "}"),
                mask);
  }
  static std::string wide(const std::string& text) {
    std::string utf16("\xff\xfe", 2);
    for (const char c : text) utf16 += {c, '\0'};
    return utf16;
  }

  void says(const std::vector<Row>& rows) const {
    for (const auto& row : rows) {
      write_file(folder_ / "manifest.jsonl", row.manifest);
      const auto found = examine({folder_ / "manifest.jsonl"});
      std::vector<std::string> lines;
      for (const auto& fault : found.faults)
        lines.push_back(str_cat(fault.line, " ", name_of(fault.kind), " ", fault.what));
      for (const auto& fault : found.warnings)
        lines.push_back(
            str_cat("warning: ", fault.line, " ", name_of(fault.kind), " ", fault.what));
      for (auto& text : lines) {
        for (auto at = text.find(folder_.string()); at != std::string::npos;
             at = text.find(folder_.string()))
          text.replace(at, folder_.string().size(), "DIR");
      }
      EXPECT_THAT(lines, ::testing::ElementsAre(row.line)) << row.what;
    }
  }
};

}  // namespace medseg
