// An index.json beside one sound shard of each kind.
#include <filesystem>
#include <string>

#include "formats.h"
#include "input_folder.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "support/weight_bytes.h"

namespace medseg {
namespace {

struct Shards : InputFolder {
  Shards() {
    std::filesystem::create_directories(path() / "folder");
    write_file(path() / "a.safetensors",
               safetensors(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", 1));
    write_file(path() / "b.bin",
               torch_zip(pickled_state(pickled(PickledTensor{})), {std::string(16, '\0')}));
    write_file(path() / "c.gguf", gguf({{"c"}}));
  }
};

}  // namespace
}  // namespace medseg

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const medseg::Shards folder;
  const auto index = folder.write("model.safetensors.index.json", data, size);
  try {
    const auto file = medseg::open_shards(index);
    for (const auto& info : file->tensors()) file->load(info.name);
  } catch (const medseg::CheckpointError&) {
  }
  return 0;
}
