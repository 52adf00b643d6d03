#include "medseg/training/checkpoint.h"

#include <algorithm>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/nn/linear.h"
#include "medseg/training/trained.h"
#include "medseg/weights/tensor_file.h"
#include "training_hashes.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

constexpr const char* kSums = "SHA256SUMS";
constexpr const char* kState = "training.json";
constexpr const char* kTensors = "training.safetensors";

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

void write_sums(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  std::string text;
  for (const auto& name : names) text += sha256_of_file(folder / name) + "  " + name + "\n";
  write_file(folder / kSums, text);
}

nlohmann::json state_json(const Progressed& progress) {
  nlohmann::json state = {
      {"format", "medseg-training-1"},     {"step", progress.step},
      {"drawn", progress.drawn},           {"dropped", progress.dropped},
      {"best_score", progress.best_score}, {"owes_evaluation", progress.owes_evaluation},
      {"seconds", progress.seconds}};
  if (progress.best_step) state["best_step"] = *progress.best_step;
  if (!progress.quarantined.empty()) state["quarantined"] = bad_samples_json(progress.quarantined);
  for (const auto& [name, best] : progress.also_best)
    state["also_best"][name] = {{"step", best.step}, {"score", best.score}};
  return state;
}

/// \throws nlohmann::json::exception on another form.
Progressed progress_of(const nlohmann::json& json) {
  Progressed progress;
  progress.step = json.at("step").get<std::int64_t>();
  progress.drawn = json.at("drawn").get<std::uint64_t>();
  progress.dropped = json.value("dropped", std::int64_t{0});
  progress.best_score = json.at("best_score").get<double>();
  progress.seconds = json.at("seconds").get<double>();
  progress.owes_evaluation = json.value("owes_evaluation", false);
  if (json.contains("best_step")) progress.best_step = json.at("best_step").get<std::int64_t>();
  if (json.contains("quarantined")) progress.quarantined = bad_samples_of(json["quarantined"]);
  const auto also_best = json.value("also_best", nlohmann::json::object());
  for (const auto& [name, best] : also_best.items()) {
    progress.also_best[name] = {best.at("step").get<std::int64_t>(),
                                best.at("score").get<double>()};
  }
  return progress;
}

Progressed read_state(const fs::path& path) {
  const auto json =
      raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
  try {
    return progress_of(json);
  } catch (const nlohmann::json::exception& error) {
    throw CheckpointError(path.string(), error.what());
  }
}

void check_sums(const fs::path& folder) {
  for (const auto& line : split(read_file(folder / kSums), '\n')) {
    if (line.empty()) continue;
    const auto gap = line.find("  ");
    if (gap != 64) throw CheckpointError((folder / kSums).string(), "damaged");
    const auto file = folder / line.substr(gap + 2);
    if (!fs::exists(file)) throw CheckpointError(file.string(), "missing");
    if (sha256_of_file(file) != line.substr(0, gap)) {
      throw CheckpointError(
          file.string(), str_cat(fs::file_size(file), " bytes that are not those that were saved"));
    }
  }
}

}  // namespace

void save_checkpoint(const std::filesystem::path& folder, OpenBundle& bundle, FrozenStorage& frozen,
                     const AdamW& optimizer, Ema& ema, const GradScaler& scaler,
                     const Progressed& progress, const nlohmann::json& config,
                     const NamedTensors& replay) {
  AtomicFolder checkpoint(folder);
  auto tensors = state_of(optimizer, ema, scaler);
  tensors.insert(tensors.end(), replay.begin(), replay.end());
  write_safetensors(checkpoint.path() / kTensors, on_cpu(std::move(tensors)));
  write_file(checkpoint.path() / kState, state_json(progress).dump(2) + "\n");

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
  copy_training_hashes(folder.parent_path().parent_path(), checkpoint.path());
  write_sums(checkpoint.path());
  checkpoint.commit();
}

std::uint64_t checkpoint_bytes(OpenBundle& bundle, const AdamW& optimizer, const Ema& ema,
                               const GradScaler& scaler) {
  std::set<std::string> moved;  // saved in float32, whatever they came in
  for (const auto& [name, layer] : bundle.model->modules_of_type<Linear>()) {
    const bool wide = layer->low_bit() && layer->weight.scalar_type() == at::kFloat;
    if (layer->has_adapter() || wide) moved.insert(name + ".weight");
  }
  for (const auto& parameter : optimizer.parameters()) {
    const auto& name = parameter.name;
    const std::string rows = ".new_rows";
    moved.insert(name.ends_with(rows) ? name.substr(0, name.size() - rows.size()) + ".weight"
                                      : name);
  }
  std::uint64_t bytes = 0;
  const auto file = open_tensor_file(weights_of_bundle(bundle.path));
  for (const auto& info : file->tensors()) {
    std::uint64_t wide = sizeof(float);
    for (const auto size : info.shape) wide *= static_cast<std::uint64_t>(size);
    bytes += moved.contains(info.name) ? wide : info.bytes;
  }
  for (const auto& parameter : optimizer.parameters()) bytes += parameter.tensor.nbytes();
  bytes += optimizer.state_bytes();
  for (const auto& part : {ema.state(), scaler.state()}) {
    for (const auto& [name, tensor] : part) bytes += tensor.nbytes();
  }
  for (const auto& entry : fs::directory_iterator(bundle.path)) {
    if (entry.is_regular_file() && entry.path().extension() != ".safetensors")
      bytes += entry.file_size();
  }
  return bytes;
}

void require_whole_checkpoint(const fs::path& folder) {
  raised_as<CheckpointError>([&] {
    if (fs::exists(folder / kSums)) check_sums(folder);
    open_tensor_file(folder / kTensors);
  });
  read_state(folder / kState);
}

Progressed load_checkpoint(const std::filesystem::path& folder, AdamW& optimizer, Ema& ema,
                           GradScaler& scaler) {
  const at::NoGradGuard no_grad;
  const Progressed progress = read_state(folder / kState);
  const auto file = open_tensor_file(folder / kTensors);
  for (auto& [name, tensor] : state_of(optimizer, ema, scaler)) {
    if (!file->contains(name)) throw CheckpointError(file->path().string(), "no tensor " + name);
    const auto saved = file->load(name);
    if (saved.sizes() != tensor.sizes()) {
      throw CheckpointError(file->path().string(),
                            str_cat(name, " is ", saved.sizes(), ", expected ", tensor.sizes()));
    }
    tensor.copy_(saved);
  }
  return progress;
}

NamedTensors load_replay(const std::filesystem::path& folder) {
  const auto file = open_tensor_file(folder / kTensors);
  NamedTensors state;
  for (const auto& info : file->tensors()) {
    if (info.name.starts_with("replay."))
      state.emplace_back(info.name, file->load(info.name).clone());
  }
  return state;
}

}  // namespace medseg
