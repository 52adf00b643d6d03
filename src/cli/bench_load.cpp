#include <filesystem>

#include <ATen/ATen.h>

#include "bench.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {

void bench_load(const Bench& bench, const std::vector<std::string>& files) {
  for (const auto& path : files) {
    bench.measure("load." + std::filesystem::path(path).filename().string(), "stored", 1, [&] {
      const auto file = open_tensor_file(path);
      std::vector<at::Tensor> loaded;
      for (const auto& info : file->tensors()) {
        auto value = file->load(info.name);
        // What is no view of the file owns its memory already.
        const bool decoded = info.dtype.starts_with("Q");
        loaded.push_back(decoded ? std::move(value)
                                 : value.clone(at::MemoryFormat::Contiguous));
      }
    }, /*warm_up=*/false);
  }
  log_info("peak memory " + gigabytes_text(peak_memory_bytes()));
}

}  // namespace medseg
