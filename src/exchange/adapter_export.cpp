#include "adapter_export.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/bundle/audit.h"
#include "medseg/bundle/bundle.h"
#include "medseg/config/load.h"
#include "medseg/models/part_names.h"
#include "medseg/weights/peft.h"
#include "stated_licence.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRows = ".new_rows";

struct Run {
  std::string base;
  double alpha = 0, dropout = 0;
  bool rslora = false;
  std::string storage = "precision";  ///< of the frozen matrices that the adapter learned beside
};

Run read_run(const fs::path& checkpoint) {
  const auto path = checkpoint / "config.json";
  const auto json =
      raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
  try {
    const auto& provenance = json.at("provenance");
    const auto& train = provenance.at("config").at("train");
    const auto& lora = train.at("lora");
    return {.base = provenance.at("trained_from").get<std::string>(),
            .alpha = lora.at("alpha").get<double>(),
            .dropout = lora.at("dropout").get<double>(),
            .rslora = lora.value("rslora", false),
            .storage = train.value("frozen_storage", std::string("precision"))};
  } catch (const nlohmann::json::exception&) {
    throw CheckpointError(path.string(), "provenance: no run that trained an adapter");
  }
}

// Whether a layer of the model that ends as an adapted one does has no adapter itself.
bool leaves_out_layers(const std::vector<AdapterLayer>& layers, const TensorFile& weights) {
  const auto part = [](const std::string& module) { return module.substr(module.rfind('.') + 1); };
  std::set<std::string> adapted, parts;
  for (const auto& layer : layers) {
    adapted.insert(layer.module);
    parts.insert(part(layer.module));
  }
  const std::string suffix = ".weight";
  return std::any_of(weights.tensors().begin(), weights.tensors().end(), [&](const auto& info) {
    if (!info.name.starts_with(part::kLanguageLayers) || !info.name.ends_with(suffix)) return false;
    const auto module = info.name.substr(0, info.name.size() - suffix.size());
    return parts.contains(part(module)) && !adapted.contains(module);
  });
}

// PEFT's name of the module that a parameter belongs to: as short as it stays clear.
std::string saved_module(const std::string& parameter) {
  for (const char* part : {"embed_tokens", "lm_head", "mm_projector", "text_hidden_fcs",
                           "mask_decoder", "prompt_encoder"}) {
    if (("." + parameter).find(str_cat(".", part, ".")) != std::string::npos) return part;
  }
  return parameter.substr(0, parameter.rfind('.'));
}

}  // namespace

ExportReport export_adapter(const fs::path& checkpoint, const fs::path& folder) {
  const auto options = read_bundle_options(checkpoint);
  refuse_untrained(options, checkpoint);
  const auto state_path = checkpoint / "training.safetensors";
  if (!fs::exists(state_path)) {
    throw CheckpointError(
        checkpoint.string() +
        ": layout peft: no training.safetensors; adapters are kept apart in a run's checkpoints "
        "(RUN/checkpoints/step-…, RUN/best, RUN/last) and merged everywhere else");
  }
  const auto state = open_tensor_file(state_path);
  const auto weights = open_tensor_file(weights_of_bundle(checkpoint));
  const auto run = read_run(checkpoint);
  const auto trained = [&](const std::string& name) {
    return state->load((state->contains("ema." + name) ? "ema." : "param.") + name);
  };
  Adapter adapter;
  adapter.path = checkpoint;
  adapter.base = run.base;
  adapter.dropout = run.dropout;
  adapter.rank_stabilised = run.rslora;
  std::map<std::string, AdapterLayer> layers;
  std::set<std::string> saved;
  const std::string a = ".lora_A.weight", b = ".lora_B.weight", param = "param.";
  for (const auto& info : state->tensors()) {
    if (!info.name.starts_with(param)) continue;
    auto name = info.name.substr(param.size());
    if (name.ends_with(a)) {
      layers[name.substr(0, name.size() - a.size())].a = trained(name);
    } else if (name.ends_with(b)) {
      layers[name.substr(0, name.size() - b.size())].b = trained(name);
    } else {
      if (name.ends_with(kRows)) name = name.substr(0, name.size() - kRows.size()) + ".weight";
      adapter.replaced.emplace_back(name, weights->load(name));
      saved.insert(saved_module(name));
      // PEFT gives each module a copy of its own: the head of a tied model would keep the base's.
      if (name == part::kEmbedding && options.model.language.tied_head) {
        adapter.replaced.emplace_back(part::kHead, weights->load(name));
        saved.insert(saved_module(part::kHead));
      }
    }
  }
  for (auto& [module, layer] : layers) {
    if (!layer.a.defined() || !layer.b.defined())
      throw CheckpointError(state_path.string() + ": " + module +
                            ": half of its adapter is missing");
    layer.module = module;
    const auto r = static_cast<double>(layer.rank());
    layer.scale = run.alpha / (run.rslora ? std::sqrt(r) : r);
    adapter.layers.push_back(std::move(layer));
  }
  if (adapter.layers.empty())
    throw CheckpointError(state_path.string() + ": layout peft: the run trained no adapter");
  adapter.some_layers_only = leaves_out_layers(adapter.layers, *weights);
  adapter.saved_modules.assign(saved.begin(), saved.end());
  write_adapter(folder, adapter);
  export_licences(folder, options.licences);
  if (run.storage != "precision") {
    log_warning(str_cat(checkpoint.string(), ": trained beside weights in ", run.storage,
                        "; load the base as such (bitsandbytes: ",
                        run.storage == "nf4" ? "load_in_4bit, nf4, no double quantisation"
                                             : "load_in_8bit, without outliers",
                        "), or the answers differ a little"));
  }
  return {.written = 2 * adapter.layers.size() + adapter.replaced.size(), .left_out = {}};
}

}  // namespace medseg
