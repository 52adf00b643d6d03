// The JSON and pickles of other data sets' annotations. The first byte chooses the format.
#include <array>
#include <filesystem>
#include <string>

#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/convert/convert.h"
#include "medseg/image/codec.h"

namespace {

namespace fs = std::filesystem;

/// One image and one mask that annotations may name, made once.
const fs::path& source() {
  static const fs::path folder = [] {
    const auto path = fs::temp_directory_path() / ("convert-fuzz-" + std::to_string(getpid()));
    medseg::write_png(path / "src/a.png", medseg::Image{4, 4, 1, std::vector<std::uint8_t>(16, 7)});
    medseg::write_file(path / "src/instances.json",
                       R"({"images":[{"id":1,"file_name":"a.png"}],"categories":[{"id":1,)"
                       R"("name":"x"}],"annotations":[{"id":1,"segmentation":[[0,0,3,0,3,3]]}]})");
    return path;
  }();
  return folder;
}

constexpr std::array<std::pair<const char*, const char*>, 11> kFormats = {
    {{"coco", "c.json"},
     {"labelme", "a.json"},
     {"reasonseg", "a.json"},
     {"refcoco", "refs.p"},
     {"grandf", "g.json"},
     {"llava", "l.json"},
     {"medplib", "p.json"},
     {"muse", "m.json"},
     {"medisee", "train.json"},
     {"sa2va", "s.json"},
     {"mr-medseg", "r.json"}}};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const auto& [format, file] = kFormats[data[0] % kFormats.size()];
  const fs::path path = source() / "src" / file;
  medseg::write_file(path, {reinterpret_cast<const char*>(data) + 1, size - 1});
  medseg::ConvertOptions options;
  options.format = format;
  options.sources = {std::string(format) == "refcoco" ? source() / "src" : path};
  options.out = source() / "out";
  try {
    medseg::convert(options);
  } catch (const medseg::Error&) {
  }
  fs::remove(path);
  return 0;
}
