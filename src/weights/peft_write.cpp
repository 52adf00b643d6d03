#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/weights/peft.h"

namespace medseg {
namespace {

double alpha_of(const AdapterLayer& layer, bool rank_stabilised) {
  const auto r = static_cast<double>(layer.rank());
  const double alpha = layer.scale * (rank_stabilised ? std::sqrt(r) : r);
  const double whole = std::round(alpha);  // √r · (16 / √r) may differ from it in the last bit
  return std::abs(alpha - whole) < 1e-9 * alpha ? whole : alpha;
}

std::string last_part(const std::string& module) { return module.substr(module.rfind('.') + 1); }

// Short names such as "q_proj" if every layer that has one of them has all, else whole names,
// because PEFT adapts every module that these match.
std::set<std::string> targets_of(const Adapter& adapter) {
  const auto& layers = adapter.layers;
  std::set<std::string> parts, whole;
  std::map<std::string, std::size_t> count;
  for (const auto& layer : layers) {
    whole.insert(layer.module);
    parts.insert(last_part(layer.module));
    ++count[layer.module.substr(0, layer.module.rfind('.'))];
  }
  for (const auto& [block, parts_there] : count) {
    if (adapter.some_layers_only || parts_there != parts.size()) return whole;
  }
  return parts;
}

}  // namespace

void write_adapter(const std::filesystem::path& folder, const Adapter& adapter) {
  MEDSEG_CHECK(!adapter.layers.empty(), "an adapter without layers");
  const auto rank = adapter.layers.front().rank();
  const double alpha = alpha_of(adapter.layers.front(), adapter.rank_stabilised);
  nlohmann::json ranks = nlohmann::json::object(), alphas = nlohmann::json::object();
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  const std::string prefix = "base_model.model.";
  for (const auto& layer : adapter.layers) {
    if (layer.rank() != rank) ranks[layer.module] = layer.rank();
    const double own = alpha_of(layer, adapter.rank_stabilised);
    if (own != alpha) alphas[layer.module] = own;
    tensors.emplace_back(prefix + layer.module + ".lora_A.weight", layer.a);
    tensors.emplace_back(prefix + layer.module + ".lora_B.weight", layer.b);
  }
  for (const auto& [name, tensor] : adapter.replaced) tensors.emplace_back(prefix + name, tensor);
  nlohmann::ordered_json config = {{"peft_type", "LORA"},
                                   {"task_type", "CAUSAL_LM"},
                                   {"base_model_name_or_path", adapter.base},
                                   {"r", rank},
                                   {"lora_alpha", alpha},
                                   {"lora_dropout", adapter.dropout},
                                   {"use_rslora", adapter.rank_stabilised},
                                   {"target_modules", targets_of(adapter)},
                                   {"modules_to_save", nullptr},
                                   {"rank_pattern", ranks},
                                   {"alpha_pattern", alphas},
                                   {"bias", "none"},
                                   {"fan_in_fan_out", false},
                                   {"inference_mode", true}};
  if (alpha == std::floor(alpha)) config["lora_alpha"] = static_cast<std::int64_t>(alpha);
  if (!adapter.saved_modules.empty()) config["modules_to_save"] = adapter.saved_modules;
  write_safetensors(folder / "adapter_model.safetensors", tensors, {{"format", "pt"}});
  write_file(folder / "adapter_config.json", config.dump(2) + "\n");
}

}  // namespace medseg
