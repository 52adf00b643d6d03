#include "medseg/nn/precision.h"

#include <c10/util/Exception.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/gpu_plugin.h"

namespace medseg {

const std::vector<std::string>& precision_names() {
  static const std::vector<std::string> kNames = choice_names<Precision>();
  return kNames;
}

at::ScalarType dtype_of(Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return at::kBFloat16;
    case Precision::kFp16:
      return at::kHalf;
    case Precision::kFp32:
      return at::kFloat;
  }
  TORCH_CHECK(false, "no such precision");
}

at::ScalarType precision_named(const std::string& where, const std::string& name) {
  if (const auto precision = find_choice<Precision>(name)) return dtype_of(*precision);
  throw ConfigError(
      where, str_cat("unknown precision \"", name, "\"", did_you_mean(name, precision_names())));
}

at::Device device_named(const std::string& where, const std::string& name, int gpu_index) {
  if (const auto kind = find_choice<DeviceKind>(name)) return device_of(where, *kind, gpu_index);
  throw ConfigError(where, str_cat("unknown device \"", name, "\"",
                                   did_you_mean(name, choice_names<DeviceKind>())));
}

at::Device device_of(const std::string& where, DeviceKind kind, int gpu_index) {
  if (kind == DeviceKind::kCpu) return at::kCPU;
  const Gpu& gpu = open_gpu();
  if (gpu.plugin == nullptr)
    throw ConfigError(where, str_cat("\"cuda\", but ", gpu.reason, "; use \"cpu\""));
  if (const int devices = gpu.plugin->devices(); gpu_index >= devices) {
    throw ConfigError(where,
                      str_cat("\"cuda\", but this machine shows ", devices,
                              " GPU(s), one for each process: process ", gpu_index, " has none"));
  }
  gpu.plugin->use(gpu_index);
  return {at::kCUDA, static_cast<at::DeviceIndex>(gpu_index)};
}

}  // namespace medseg
