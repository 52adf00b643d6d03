#include "medseg/weights/peft.h"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "peft_config.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "base_model.model.";

fs::path weights_of(const fs::path& folder) {
  for (const char* name : {"adapter_model.safetensors", "adapter_model.bin"}) {
    if (fs::exists(folder / name)) return folder / name;
  }
  throw CheckpointError(folder.string(),
                        "holds no adapter_model.safetensors and no adapter_model.bin");
}

// The parts of a tensor's name: the parameter or module, and which half it is.
struct Key {
  std::string name;  // without the prefix and without parts that PEFT inserts
  char half = ' ';   // 'A', 'B', or ' ' for a whole parameter
};

void erase_all(std::string& text, std::string_view part) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part))
    text.erase(at, part.size());
}

Key key_of(std::string name, const std::string& where) {
  if (!name.starts_with(kPrefix)) {
    throw CheckpointError(str_cat(where, ": ", name),
                          str_cat("does not begin with ", std::string(kPrefix)));
  }
  name.erase(0, kPrefix.size());
  for (const char* refused : {"lora_magnitude_vector", "lora_embedding_A", "lora_embedding_B",
                              "lora_A.bias", "lora_B.bias"}) {
    if (name.find(refused) != std::string::npos)
      throw CheckpointError(str_cat(where, ": ", name), str_cat(refused, " is not supported"));
  }
  for (const char half : {'A', 'B'}) {
    for (const char* end : {".weight", ".default.weight"}) {
      const auto suffix = str_cat(".lora_", half, end);
      if (name.ends_with(suffix)) return {name.substr(0, name.size() - suffix.size()), half};
    }
  }
  erase_all(name, "modules_to_save.default.");
  erase_all(name, "modules_to_save.");
  return {name, ' '};
}

bool is_token_rows(const std::string& parameter) {
  return parameter.ends_with("embed_tokens.weight") || parameter.ends_with("lm_head.weight");
}

std::string module_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view(".weight").size());
}

void check_halves(const AdapterLayer& layer, std::int64_t rank, const std::string& where) {
  for (const auto& [half, tensor] : {std::pair{"lora_A", &layer.a}, {"lora_B", &layer.b}}) {
    if (!tensor->defined())
      throw CheckpointError(str_cat(where, ": ", layer.module), str_cat("no tensor ", half));
    if (tensor->dim() != 2 || !tensor->is_floating_point()) {
      throw CheckpointError(
          where, str_cat(layer.module, ".", half, ": a matrix is expected, got ", tensor->sizes()));
    }
  }
  if (layer.a.size(0) != layer.b.size(1) || layer.a.size(0) != rank) {
    throw CheckpointError(str_cat(where, ": ", layer.module),
                          str_cat("lora_A is ", layer.a.sizes(), " and lora_B ", layer.b.sizes(),
                                  ", but adapter_config.json says rank ", rank));
  }
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
    const auto key = key_of(info.name, where);
    if (key.name.find("original_module.") != std::string::npos) continue;  // the base's values
    if (key.half == ' ') {
      if (!config.is_saved(key.name) && !is_token_rows(key.name))
        throw CheckpointError(str_cat(where, ": ", info.name), "is not of modules_to_save");
      adapter.replaced.emplace_back(ours(key.name), file->load(info.name));
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
    layer.module = module_of(ours(name + ".weight"));
    layer.scale = config.scale_of(name);
    check_halves(layer, config.rank_of(name), where);
    adapter.layers.push_back(std::move(layer));
  }
  if (adapter.layers.empty() && adapter.replaced.empty())
    throw CheckpointError(where, "holds no adapter");
  return adapter;
}

}  // namespace medseg
