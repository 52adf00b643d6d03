#include "medseg/optim/adapters.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/nn/linear.h"
#include "medseg/optim/patterns.h"
#include "medseg/weights/peft.h"

namespace medseg {
namespace {

using NamedLayer = std::pair<std::string, Linear*>;

// Training goes on from what the adapter computes, so the config's rank and scale must be the
// adapter's: others would be another model.
void check_layer(const AdapterLayer& given, const Linear& layer, const LoraOptions& lora) {
  const auto refuse = [&](const char* key, const auto& found, const auto& expected) {
    throw ConfigError(str_cat("train.lora.", key), str_cat(found, ", but ", lora.adapter, ": ",
                                                           given.module, " needs ", expected));
  };
  if (given.rank() != lora.rank) refuse("rank", lora.rank, given.rank());
  const auto r = static_cast<double>(given.rank());
  const double alpha = given.scale * (lora.rslora ? std::sqrt(r) : r);
  if (std::abs(alpha - lora.alpha) > 1e-6 * alpha) refuse("alpha", lora.alpha, alpha);
  if (given.a.sizes().equals(layer.lora_a.sizes()) && given.b.sizes().equals(layer.lora_b.sizes()))
    return;
  throw CheckpointError(
      str_cat(lora.adapter, ": ", given.module),
      str_cat("the adapter is ", given.a.sizes(), " and ", given.b.sizes(), ", the model needs ",
              layer.lora_a.sizes(), " and ", layer.lora_b.sizes()));
}

/// A tied head: PEFT's folders hold it under its own name, equal to the embedding.
bool is_tied_copy(const Adapter& adapter, const std::string& name, const at::Tensor& value) {
  const auto is_same = [&](const auto& other) {
    return other.first.ends_with("embed_tokens.weight") && other.second.sizes() == value.sizes() &&
           at::equal(other.second, value);
  };
  return name == "lm_head.weight" &&
         std::any_of(adapter.replaced.begin(), adapter.replaced.end(), is_same);
}

void replace_parameters(Module& model, const Adapter& adapter, const std::string& where) {
  std::map<std::string, at::Tensor*> parameters;
  for (const auto& [name, tensor] : model.named_parameters()) parameters[name] = tensor;
  for (const auto& [name, value] : adapter.replaced) {
    const auto found = parameters.find(name);
    if (found == parameters.end() && is_tied_copy(adapter, name, value)) continue;
    if (found == parameters.end())
      throw CheckpointError(str_cat(where, ": ", name), "the model has no such parameter");
    if (!found->second->sizes().equals(value.sizes())) {
      throw CheckpointError(
          where, str_cat(name, " is ", value.sizes(), ", the model has ", found->second->sizes()));
    }
    found->second->copy_(value);
  }
}

/// Copies the tensors of `adapter` into `layers`, which must be exactly the layers that it has.
void fill_layers(const Adapter& adapter, const LoraOptions& lora,
                 const std::vector<NamedLayer>& layers) {
  std::map<std::string, const AdapterLayer*> given;
  for (const auto& layer : adapter.layers) given[layer.module] = &layer;
  for (const auto& [name, layer] : layers) {
    const auto found = given.find(name);
    if (found == given.end())
      throw CheckpointError(lora.adapter, "no tensors for " + name + ", one of train.lora.targets");
    check_layer(*found->second, *layer, lora);
    layer->lora_a.copy_(found->second->a);
    layer->lora_b.copy_(found->second->b);
    given.erase(found);
  }
  if (given.empty()) return;
  throw CheckpointError(
      lora.adapter,
      given.begin()->first + " is none of the model's layers that train.lora.targets name");
}

void start_from_adapter(Module& model, const LoraOptions& lora,
                        const std::vector<NamedLayer>& layers) {
  const at::NoGradGuard no_grad;
  const auto adapter = read_adapter(lora.adapter);
  if (!adapter.layers.empty() && adapter.rank_stabilised != lora.rslora) {
    throw ConfigError("train.lora.rslora", str_cat(lora.rslora ? "true" : "false", ", but ",
                                                   lora.adapter, " was made with the other"));
  }
  fill_layers(adapter, lora, layers);
  replace_parameters(model, adapter, lora.adapter);
}

/// Adds an empty adapter to each layer of `under` that a target names.
std::vector<NamedLayer> adapt(Module& model, const std::string& under, const LoraOptions& lora) {
  std::vector<NamedLayer> adapted;
  std::vector<std::string> known;
  std::set<std::string> used;  // of the targets
  for (const auto& [name, layer] : model.modules_of_type<Linear>()) {
    if (!name.starts_with(under)) continue;
    known.push_back(name);
    bool chosen = false;
    for (const auto& target : lora.targets) {
      if (!names_module(target, name)) continue;
      used.insert(target);
      chosen = true;
    }
    if (!chosen) continue;
    layer->add_adapter(lora.rank, lora.alpha, lora.dropout, lora.rslora);
    adapted.emplace_back(name, layer);
  }
  for (const auto& target : lora.targets) {
    if (used.contains(target)) continue;
    throw ConfigError("train.lora.targets",
                      "\"" + target +
                          "\" names no projection of the language model; did you mean \"" +
                          nearest_name(target, known) + "\"?");
  }
  return adapted;
}

}  // namespace

void add_adapters(Module& model, const std::string& under, const LoraOptions& lora) {
  if (lora.rank == 0) return;
  const auto layers = adapt(model, under, lora);
  if (lora.adapter.empty()) return;
  start_from_adapter(model, lora, layers);
}

}  // namespace medseg
