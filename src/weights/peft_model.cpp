// A PeftModel saved whole, its adapters beside the weights they were trained on. PEFT before 0.6
// leaves the weight's name as it is (LISA pins 0.4), later versions put "base_layer" into it.
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/weights/layouts.h"
#include "peft_config.h"
#include "peft_key.h"

namespace medseg {
namespace {

constexpr std::string_view kBaseLayer = ".base_layer.", kOriginal = ".original_module.";

// DistributedDataParallel and DeepSpeed's engine put "module." in front.
std::string without_wrapper(const std::string& name) {
  return name.starts_with("module.") ? name.substr(7) : name;
}

}  // namespace

bool is_peft_model(const TensorFile& file) {
  for (const auto& info : file.tensors()) {
    if (!without_wrapper(info.name).starts_with(kPeftPrefix)) return false;
  }
  return !file.tensors().empty();
}

PeftModel take_apart(std::shared_ptr<const TensorFile> file, double alpha) {
  PeftModel model;
  const auto config_path = file->path().parent_path() / "adapter_config.json";
  std::optional<PeftConfig> config;
  if (std::filesystem::exists(config_path)) config = read_peft_config(config_path);
  model.alpha_is_stated = config.has_value();
  model.adapter.path = file->path();

  std::map<std::string, AdapterLayer> layers;
  std::map<std::string, std::string> plain;  // by the name in the file
  for (const auto& info : file->tensors()) {
    const auto where = file->path_of(info.name).string();
    auto [name, half] = peft_key_of(without_wrapper(info.name), where);
    if (half != ' ') {
      auto& layer = layers[name];
      (half == 'A' ? layer.a : layer.b) = file->load(info.name);
      continue;
    }
    if (name.find(kOriginal) != std::string::npos) continue;  // what a trained copy replaces
    if (const auto at = name.find(kBaseLayer); at != std::string::npos)
      name.erase(at, kBaseLayer.size() - 1);
    plain[info.name] = name;
  }
  for (auto& [name, layer] : layers) {
    layer.module = name;
    const auto where = file->path().string();
    check_halves(layer,
                 config              ? config->rank_of(name)
                 : layer.a.defined() ? layer.a.size(0)
                                     : 0,
                 where);
    layer.scale = config ? config->scale_of(name) : alpha / static_cast<double>(layer.rank());
    model.adapter.layers.push_back(std::move(layer));
  }
  model.base = renamed_tensors(std::move(file), [&](const std::string& name) {
    const auto found = plain.find(name);
    return found == plain.end() ? std::nullopt : std::optional(found->second);
  });
  return model;
}

}  // namespace medseg
