// Weights that lie in an adapter's folder and are no part of PEFT's own files.
#include "peft_beside.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBeside[] = {"non_lora_trainables.bin", "non_lora_state_dict.bin"};

bool is_weights(const fs::path& file) {
  for (const char* kind : {".bin", ".pt", ".pth", ".safetensors", ".gguf"}) {
    if (file.extension() == kind) return true;
  }
  return false;
}

// What transformers' Trainer saves to resume from, of which no model is made.
bool is_training_state(const std::string& name) {
  return name == "training_args.bin" || name == "optimizer.bin" || name == "optimizer.pt" ||
         name == "scheduler.pt" || name == "scaler.pt" || name.starts_with("rng_state");
}

// LLaVA's model/builder.py: "base_model." goes, then one "model." where PEFT's stood.
std::string plain_name(const std::string& name) {
  for (const std::string prefix : {"base_model.model.", "base_model."}) {
    if (name.starts_with(prefix)) return name.substr(prefix.size());
  }
  return name;
}

}  // namespace

void read_weights_beside(Adapter& adapter, const NameOfOurs& our_name) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(adapter.path)) {
    const auto name = entry.path().filename().string();
    const auto is_read = std::find(adapter.files.begin(), adapter.files.end(), entry.path());
    if (!entry.is_regular_file() || !is_weights(entry.path()) || is_training_state(name) ||
        is_read != adapter.files.end())
      continue;
    found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  for (const auto& path : found) {
    if (std::find(std::begin(kBeside), std::end(kBeside), path.filename()) == std::end(kBeside)) {
      throw CheckpointError(
          path.string(),
          "weights beside an adapter that are not read; known are " +
              join(std::vector<std::string>(std::begin(kBeside), std::end(kBeside)), ", ") +
              ". Move the file away if the adapter does without it");
    }
    const auto file = open_tensor_file(path);
    for (const auto& info : file->tensors()) {
      const auto theirs = plain_name(info.name);
      const auto name = our_name ? our_name(theirs) : theirs;
      if (!name)
        throw CheckpointError(path.string(), info.name + ": no such tensor in this layout");
      const auto twice = [&](const auto& replaced) { return replaced.first == *name; };
      if (std::any_of(adapter.replaced.begin(), adapter.replaced.end(), twice))
        throw CheckpointError(path.string(), info.name + ": the adapter brings it too");
      adapter.replaced.emplace_back(*name, file->load(info.name));
      adapter.file_of[*name] = path;
    }
    adapter.files.push_back(path);
  }
}

}  // namespace medseg
