#include "few_layers.h"

#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr const char* kLayers = "model.layers.";

/// "model.layers.7.mlp.up_proj.weight" -> 7 and ".mlp.up_proj.weight"; -1 for what is in no layer.
std::pair<std::int64_t, std::string> layer_of(const std::string& name) {
  if (!name.starts_with(kLayers)) return {-1, name};
  std::int64_t index = -1;
  const char* first = name.data() + std::string_view(kLayers).size();
  const auto parsed = std::from_chars(first, name.data() + name.size(), index);
  return {index, std::string(parsed.ptr)};
}

/// What trains of the layer of which the most does.
std::set<std::string> fullest_layer(const std::vector<std::string>& names) {
  std::map<std::int64_t, std::set<std::string>> by_layer;
  for (const auto& name : names) {
    const auto [layer, rest] = layer_of(name);
    if (layer >= 0) by_layer[layer].insert(rest);
  }
  std::set<std::string> fullest;
  for (const auto& [layer, rests] : by_layer) {
    if (rests.size() > fullest.size()) fullest = rests;
  }
  return fullest;
}

}  // namespace

TrainOptions options_of_few_layers(TrainOptions options, const std::vector<std::string>& trained,
                                   const std::vector<std::string>& adapted, std::int64_t layers) {
  const auto rests = fullest_layer(trained), targets = fullest_layer(adapted);
  std::set<std::string> names;
  for (const auto& name : trained) {
    const auto [layer, rest] = layer_of(name);
    const bool rows = name.ends_with(".new_rows");
    if (layer < 0) names.insert(rows ? name.substr(0, name.rfind('.')) + ".weight" : name);
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    for (const auto& rest : rests) {
      if (rest.find(".lora_") == std::string::npos) names.insert(str_cat(kLayers, i, rest));
    }
  }
  options.trainable.assign(names.begin(), names.end());
  options.lora.targets.clear();
  for (const auto& rest : targets) options.lora.targets.push_back(rest.substr(rest.rfind('.') + 1));
  if (targets.empty()) options.lora.rank = 0;
  options.lora.adapter.clear();
  return options;
}

}  // namespace medseg
