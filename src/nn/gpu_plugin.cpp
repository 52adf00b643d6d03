#include "medseg/nn/gpu_plugin.h"

#include <filesystem>

#include <dlfcn.h>
#include <torch/version.h>

#include "medseg/base/str.h"

namespace medseg {
namespace {

std::string loader_says() {
  const char* error = ::dlerror();
  return error == nullptr ? "unknown fault" : error;
}

}  // namespace

Gpu open_gpu_plugin(const std::string& path) {
  // Without the driver's own library there is no driver, and loading the rest would be useless.
  if (::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr)
    return {nullptr, "this machine has no NVIDIA driver (libcuda.so.1)"};
  if (!std::filesystem::exists(path)) {
    return {nullptr, str_cat("this build has no CUDA plugin, ", path,
                             " (MEDSEG_CUDA=1 scripts/setup.sh, then scripts/build.sh)")};
  }
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (library == nullptr) return {nullptr, "the CUDA plugin cannot be loaded: " + loader_says()};
  const auto entry =
      reinterpret_cast<const GpuPlugin* (*)()>(::dlsym(library, "medseg_gpu_plugin"));
  if (entry == nullptr) return {nullptr, path + " is not a CUDA plugin: " + loader_says()};
  const GpuPlugin* plugin = entry();
  if (plugin->version != GpuPlugin::kVersion || std::string(plugin->torch) != TORCH_VERSION) {
    return {nullptr,
            str_cat("the CUDA plugin is of another build: version ", plugin->version, ", LibTorch ",
                    plugin->torch, "; expected ", GpuPlugin::kVersion, ", ", TORCH_VERSION)};
  }
  if (plugin->devices() == 0) return {nullptr, "the NVIDIA driver shows no GPU"};
  return {plugin, ""};
}

const Gpu& open_gpu() {
  static const Gpu gpu = [] {
    std::error_code error;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    return open_gpu_plugin((program.parent_path() / "libmedseg_cuda.so").string());
  }();
  return gpu;
}

}  // namespace medseg
