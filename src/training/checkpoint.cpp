#include "medseg/training/checkpoint.h"

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

NamedTensors state_of(const AdamW& optimizer, const Ema& ema, const GradScaler& scaler) {
  NamedTensors state;
  for (const auto& parameter : optimizer.parameters()) {
    state.emplace_back("param." + parameter.name, parameter.tensor.detach());
  }
  for (const auto& part : {optimizer.state(), ema.state(), scaler.state()})
    state.insert(state.end(), part.begin(), part.end());
  return state;
}

NamedTensors on_cpu(NamedTensors tensors) {
  for (auto& [name, tensor] : tensors) tensor = tensor.cpu();
  return tensors;
}

}  // namespace

void save_checkpoint(const std::filesystem::path& folder, OpenBundle& bundle, FrozenStorage& frozen,
                     const AdamW& optimizer, Ema& ema, const GradScaler& scaler,
                     const Progressed& progress, const nlohmann::json& config,
                     const NamedTensors& replay) {
  AtomicFolder checkpoint(folder);
  auto tensors = state_of(optimizer, ema, scaler);
  tensors.insert(tensors.end(), replay.begin(), replay.end());
  write_safetensors(checkpoint.path() / "training.safetensors", on_cpu(std::move(tensors)));
  nlohmann::json state = {{"format", "medseg-training-1"},     {"step", progress.step},
                          {"drawn", progress.drawn},           {"dropped", progress.dropped},
                          {"best_score", progress.best_score}, {"seconds", progress.seconds}};
  if (progress.best_step) state["best_step"] = *progress.best_step;
  write_file(checkpoint.path() / "training.json", state.dump(2) + "\n");

  auto options = bundle.options;
  options.initialised = still_initialised(options, optimizer.parameters());
  {
    const Ema::Averaged averaged(ema);
    const FrozenStorage::Original original(frozen);
    save_bundle(
        checkpoint.path(), *bundle.model, options,
        {{"trained_from", bundle.path.string()}, {"step", progress.step}, {"config", config}});
  }
  bundle.tokenizer->save(checkpoint.path());
  checkpoint.commit();
}

Progressed load_checkpoint(const std::filesystem::path& folder, AdamW& optimizer, Ema& ema,
                           GradScaler& scaler) {
  const at::NoGradGuard no_grad;
  const auto path = folder / "training.json";
  Progressed progress;
  try {
    const auto json = parse_json(read_file(path), path.string());
    progress.step = json.at("step").get<std::int64_t>();
    progress.drawn = json.at("drawn").get<std::uint64_t>();
    progress.dropped = json.value("dropped", std::int64_t{0});
    progress.best_score = json.at("best_score").get<double>();
    progress.seconds = json.at("seconds").get<double>();
    if (json.contains("best_step")) progress.best_step = json.at("best_step").get<std::int64_t>();
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(path.string() + ": " + error.what());
  }
  const auto file = open_tensor_file(folder / "training.safetensors");
  for (auto& [name, tensor] : state_of(optimizer, ema, scaler)) {
    if (!file->contains(name)) throw CheckpointError(file->path().string() + ": no tensor " + name);
    const auto saved = file->load(name);
    if (saved.sizes() != tensor.sizes()) {
      throw CheckpointError(medseg::str(file->path().string(), ": ", name, " is ", saved.sizes(),
                                        ", expected ", tensor.sizes()));
    }
    tensor.copy_(saved);
  }
  return progress;
}

NamedTensors load_replay(const std::filesystem::path& folder) {
  const auto file = open_tensor_file(folder / "training.safetensors");
  NamedTensors state;
  for (const auto& info : file->tensors()) {
    if (info.name.starts_with("replay."))
      state.emplace_back(info.name, file->load(info.name).clone());
  }
  return state;
}

}  // namespace medseg
