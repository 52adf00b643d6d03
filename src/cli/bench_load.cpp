#include <filesystem>

#include <ATen/ATen.h>

#include "bench.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

void load(const std::string& path) {
  const auto file = open_tensor_file(path);
  std::vector<at::Tensor> loaded;
  for (const auto& info : file->tensors()) {
    auto value = file->load(info.name);
    // Not a view of the file: it has its own memory.
    const bool decoded = info.dtype.starts_with("Q");
    if (!decoded) {
      auto own = at::empty(value.sizes(), value.options());
      copy_values(value, own);
      value = own;
    }
    loaded.push_back(std::move(value));
  }
}

}  // namespace

void bench_load(const Bench& bench, const std::vector<std::string>& files) {
  for (const auto& path : files) {
    bench.measure(
        "load." + std::filesystem::path(path).filename().string(), "stored", 1, [&] { load(path); },
        /*warm_up=*/false);
  }
  log_info("peak memory " + gigabytes_text(peak_memory_bytes()));
}

}  // namespace medseg
