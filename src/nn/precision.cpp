#include "medseg/nn/precision.h"

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/gpu_plugin.h"

namespace medseg {

const std::vector<std::string>& precision_names() {
  static const std::vector<std::string> kNames = {"bf16", "fp16", "fp32"};
  return kNames;
}

at::ScalarType precision_named(const std::string& where, const std::string& name) {
  if (name == "bf16") return at::kBFloat16;
  if (name == "fp16") return at::kHalf;
  if (name == "fp32") return at::kFloat;
  throw ConfigError(where + ": unknown precision \"" + name + "\"" +
                    did_you_mean(name, precision_names()));
}

at::Device device_named(const std::string& where, const std::string& name, int gpu_index) {
  if (name == "cpu") return at::kCPU;
  if (name != "cuda") {
    throw ConfigError(where + ": unknown device \"" + name + "\"" +
                      did_you_mean(name, {"cpu", "cuda"}));
  }
  const Gpu& gpu = open_gpu();
  if (gpu.plugin == nullptr)
    throw ConfigError(where + ": \"cuda\", but " + gpu.reason + "; use \"cpu\"");
  if (const int devices = gpu.plugin->devices(); gpu_index >= devices) {
    throw ConfigError(str_cat(where, ": \"cuda\", but this machine shows ", devices,
                              " GPU(s), one for each process: process ", gpu_index, " has none"));
  }
  gpu.plugin->use(gpu_index);
  return {at::kCUDA, static_cast<at::DeviceIndex>(gpu_index)};
}

}  // namespace medseg
