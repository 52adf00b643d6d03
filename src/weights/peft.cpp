#include "medseg/weights/peft.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "peft_beside.h"
#include "peft_config.h"
#include "peft_key.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

fs::path weights_of(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  throw CheckpointError(folder.string(),
                        "holds no adapter_model.safetensors and no adapter_model.bin");
}

bool is_token_rows(const std::string& parameter) {
  return parameter.ends_with("embed_tokens.weight") || parameter.ends_with("lm_head.weight");
}

}  // namespace

Adapter read_adapter(const fs::path& folder, const NameOfOurs& our_name) {
  const auto config = read_peft_config(folder / "adapter_config.json");
  const std::shared_ptr<const TensorFile> file = open_tensor_file(weights_of(folder));
  const auto where = file->path().string();
  const auto ours = [&](const std::string& parameter) {
    if (!our_name) return parameter;
    if (auto name = our_name(parameter)) return *std::move(name);
    throw CheckpointError(str_cat(where, ": ", parameter), "no such tensor in this layout");
  };
  Adapter adapter;
  adapter.path = folder;
  adapter.base = config.base;
  adapter.dropout = config.dropout;
  adapter.rank_stabilised = config.rank_stabilised;
  adapter.saved_modules = config.saved_modules;
  if (!config.some_layers_only) {
    for (const auto& target : config.targets) {
      if (target.find('.') == std::string::npos) adapter.targets.push_back(target);
    }
  }
  std::map<std::string, AdapterLayer> layers;  // by the module's name in our layout
  for (const auto& info : file->tensors()) {
    const auto key = peft_key_of(info.name, where);
    if (key.name.find("original_module.") != std::string::npos) continue;  // the base's values
    if (key.half == ' ') {
      if (!config.is_saved(key.name) && !is_token_rows(key.name))
        throw CheckpointError(str_cat(where, ": ", info.name), "is not of modules_to_save");
      adapter.replaced.emplace_back(ours(key.name), file->load(info.name));
      adapter.file_of[adapter.replaced.back().first] = file->path();
      continue;
    }
    if (!config.is_target(key.name)) {
      throw CheckpointError(str_cat(where, ": ", info.name),
                            "is not among target_modules of adapter_config.json");
    }
    auto& layer = layers[key.name];
    (key.half == 'A' ? layer.a : layer.b) = file->load(info.name);
  }
  for (auto& [name, layer] : layers) {
    const auto weight = ours(name + ".weight");
    adapter.file_of[weight] = file->path();
    layer.module = module_of(weight);
    layer.scale = config.scale_of(name);
    check_halves(layer, config.rank_of(name), where);
    adapter.layers.push_back(std::move(layer));
  }
  if (adapter.layers.empty() && adapter.replaced.empty())
    throw CheckpointError(where, "holds no adapter");
  adapter.files = {folder / "adapter_config.json", file->path()};
  read_weights_beside(adapter, our_name);
  return adapter;
}

}  // namespace medseg
