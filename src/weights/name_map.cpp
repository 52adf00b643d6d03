#include "medseg/weights/name_map.h"

#include <algorithm>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

at::Tensor transposed(const at::Tensor& weight) {
  if (weight.dim() != 2)
    throw CheckpointError(str_cat("a matrix is expected, got ", weight.sizes()));
  return weight.t();
}

}  // namespace

std::vector<TensorSource> onnx_dinov2_sources(const TensorFile& file) {
  const std::string backbone = "backbone.";
  const auto links = file.metadata().find("graph.matmul_add");
  if (links == file.metadata().end())
    throw CheckpointError(file.path().string(), "not an ONNX graph");
  std::vector<TensorSource> sources;
  const auto& pairs = std::get<std::vector<std::string>>(links->second);
  for (std::size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto& bias = pairs[i + 1];
    if (!bias.starts_with(backbone) || !bias.ends_with(".bias")) continue;
    const auto name =
        bias.substr(backbone.size(), bias.size() - backbone.size() - std::string("bias").size());
    sources.push_back({name + "weight", pairs[i], [](const at::Tensor& weight) {
                         return transposed(weight);
                       }});  // stored [in, out]
  }
  std::string class_position;
  at::Tensor patch_positions;
  for (const auto& info : file.tensors()) {
    if (info.name.starts_with(backbone))
      sources.push_back({info.name.substr(backbone.size()), info.name, {}});
    if (info.name.starts_with("onnx::Concat") && info.shape.size() == 3 && info.shape[1] == 1)
      class_position = info.name;
    if (info.name.starts_with("onnx::Reshape") && info.shape.size() == 3)
      patch_positions = file.load(info.name);
  }
  if (class_position.empty() || !patch_positions.defined()) {
    throw CheckpointError(file.path().string(), "no position embeddings of a DINOv2 export");
  }
  sources.push_back({"embeddings.position_embeddings", class_position,
                     [patch_positions](const at::Tensor& position) {
                       if (position.size(2) != patch_positions.size(2))
                         throw CheckpointError("positions of two widths");
                       return at::cat({position, patch_positions}, 1);
                     }});
  return sources;
}

std::vector<TensorSource> plain_sources(const TensorFile& file, const std::string& prefix) {
  std::vector<TensorSource> sources;
  for (const auto& info : file.tensors()) {
    if (info.name.starts_with(prefix))
      sources.push_back({info.name.substr(prefix.size()), info.name, {}});
  }
  return sources;
}

LoadReport load_into(Module& module, const TensorFile& file,
                     const std::vector<TensorSource>& sources, const std::string& prefix) {
  const at::NoGradGuard no_grad;
  LoadReport report;
  std::map<std::string, at::Tensor*> wanted;
  for (const auto& [name, tensor] : module.named_parameters()) wanted[name] = tensor;
  for (const auto& [name, tensor] : module.named_buffers()) wanted[name] = tensor;
  std::set<std::string> filled, used;
  for (const auto& source : sources) {
    const auto target = prefix + source.target;
    const auto found = wanted.find(target);
    if (found == wanted.end()) continue;
    auto value = file.load(source.source);
    if (source.change) {
      with_place(str_cat(file.path().string(), ": ", source.source),
                 [&] { value = source.change(value); });
    }
    used.insert(source.source);
    filled.insert(target);
    auto& parameter = *found->second;
    if (value.sizes() != parameter.sizes()) {
      report.mismatched.push_back(
          str_cat(target, ": file ", value.sizes(), ", model ", parameter.sizes()));
      continue;
    }
    copy_values(value, parameter);
    report.loaded.push_back(target);
  }
  for (const auto& [name, tensor] : wanted) {
    if (!filled.contains(name)) report.initialised.push_back(name);
  }
  for (const auto& info : file.tensors()) {
    if (!used.contains(info.name)) report.unused.push_back(info.name);
  }
  return report;
}

}  // namespace medseg
