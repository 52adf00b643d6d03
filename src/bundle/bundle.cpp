#include "medseg/bundle/bundle.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/config/load.h"
#include "medseg/models/llama.h"
#include "medseg/models/part_names.h"
#include "medseg/nn/initialise.h"
#include "medseg/nn/linear.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

constexpr const char* kFormat = "medseg-bundle-1";
constexpr std::size_t kNamesShown = 10;

/// "; 2 missing: a, b" or "" when there are none.
std::string complaint(const char* what, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  return str_cat("; ", names.size(), " ", what, ": ", join_first(names, kNamesShown));
}

std::vector<TensorSource> same_names(const TensorFile& file) {
  std::vector<TensorSource> sources;
  for (const auto& tensor : file.tensors()) sources.push_back({tensor.name, tensor.name, {}});
  return sources;
}

bool is_bf16_matrix(const TensorInfo& info) {
  return info.dtype == "BF16" && info.shape.size() >= 2;
}

/// Matrices that the file holds in fp32 though the model was made for bf16 (those that training
/// moved) get fp32 storage.
void widen_as_in_file(Segmenter& model, const TensorFile& file) {
  std::set<std::string> narrow;
  for (const auto& info : file.tensors()) {
    if (is_bf16_matrix(info)) narrow.insert(info.name);
  }
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (tensor->scalar_type() == at::kBFloat16 && !narrow.contains(name))
      *tensor = at::empty(tensor->sizes(), tensor->options().dtype(at::kFloat));
  }
}

void refuse_faults(const LoadReport& report, const std::string& where) {
  const auto faults = complaint("missing", report.initialised) +
                      complaint("unused", report.unused) +
                      complaint("mismatched", report.mismatched);
  if (!faults.empty()) throw CheckpointError(where + faults);
}

std::unique_ptr<Segmenter> without_values(const SegmenterOptions& options,
                                          at::ScalarType language_matrices,
                                          const std::string& where) {
  return raised_as<CheckpointError>(where + ": model", [&] {
    const SkipInitialisation skip;
    return std::make_unique<Segmenter>(options, language_matrices);
  });
}

std::unique_ptr<Segmenter> sized_as_in_file(const SegmenterOptions& options, const TensorFile& file,
                                            const std::filesystem::path& bundle) {
  const auto& infos = file.tensors();
  const bool bf16 = std::any_of(infos.begin(), infos.end(), is_bf16_matrix);
  auto model =
      without_values(options, bf16 ? at::kBFloat16 : at::kFloat, (bundle / "config.json").string());
  if (bf16) widen_as_in_file(*model, file);
  return model;
}

/// A tensor that is made when it is written and freed before the next one: memory holds one merged,
/// widened or assembled tensor beside the model, not a second model.
TensorToWrite made_when_written(const std::string& name, const at::Tensor& like,
                                at::ScalarType dtype, std::function<at::Tensor()> make) {
  auto written = to_write(name, like.to(at::kMeta, dtype));
  written.load = [make = std::move(make)] {
    const at::NoGradGuard no_grad;
    return make().cpu();
  };
  return written;
}

/// What is written: adapters merged, new token rows in place, every tensor in its own dtype.
std::vector<TensorToWrite> tensors_to_save(Segmenter& model) {
  std::map<std::string, TensorToWrite> changed;
  const auto change = [&](const std::string& name, const at::Tensor& like, at::ScalarType dtype,
                          std::function<at::Tensor()> make) {
    changed.insert_or_assign(name, made_when_written(name, like, dtype, std::move(make)));
  };
  std::set<std::string> left_out;
  for (const auto& [name, layer] : model.modules_of_type<Linear>()) {
    if (layer->low_bit() || layer->has_adapter()) {
      const auto dtype = layer->has_adapter() ? at::kFloat : layer->weight.scalar_type();
      change(name + ".weight", layer->weight, dtype,
             [one = layer] { return one->merged_weight(); });
    }
    if (layer->has_adapter()) left_out.insert({name + ".lora_A.weight", name + ".lora_B.weight"});
  }
  for (const auto& [name, tensor] : model.plain_projector())
    changed.insert_or_assign(name, to_write(name, tensor.cpu()));
  const auto& language = model.language();
  if (language.split_at() >= 0) {
    const auto& rows = language.embed_tokens;
    change(part::kEmbedding, rows, rows.scalar_type(),
           [llama = &language] { return llama->whole_embedding(); });
    if (!language.options().tied_head) {
      change(part::kHead, language.head, language.head.scalar_type(),
             [llama = &language] { return llama->whole_head(); });
    }
  }
  std::vector<TensorToWrite> tensors;
  for (const auto& named : {model.named_parameters(), model.named_buffers()}) {
    for (const auto& [name, tensor] : named) {
      if (left_out.contains(name)) continue;
      auto found = changed.extract(name);
      tensors.push_back(found.empty() ? to_write(name, tensor->detach().cpu())
                                      : std::move(found.mapped()));
    }
  }
  return tensors;
}

}  // namespace

std::filesystem::path weights_of_bundle(const std::filesystem::path& bundle) {
  for (const char* name : {"model.safetensors", "model.safetensors.index.json"}) {
    if (std::filesystem::exists(bundle / name)) return bundle / name;
  }
  throw CheckpointError(bundle.string(),
                        "no model.safetensors and no model.safetensors.index.json");
}

BundleOptions read_bundle_options(const std::filesystem::path& bundle) {
  const auto path = (bundle / "config.json").string();
  auto json = raised_as<CheckpointError>([&] {
    try {
      return parse_json(read_file(path), path);
    } catch (const DataError& error) {
      throw CheckpointError(bundle.string(), str_cat("not a bundle: ", error.what()));
    }
  });
  if (!json.is_object() || json.value("format", nlohmann::json()) != kFormat)
    throw CheckpointError(path, str_cat("not a bundle: \"format\" is not \"", kFormat, "\""));
  json.erase("format");
  json.erase("provenance");
  json.erase("thresholds");  // bundle/thresholds.h
  BundleOptions options;
  raised_as<CheckpointError>(path, [&] { read_options(json, options); });
  return options;
}

void refuse_all_but_bundle(const std::filesystem::path& folder) {
  bool bundle = false;
  try {
    read_bundle_options(folder);
    bundle = true;
  } catch (const CheckpointError&) {  // another model's config.json, or none
  }
  refuse_foreign_folder(folder, [bundle](const std::string& name) {
    const bool weights = name.starts_with("model") &&
                         (name.ends_with(".safetensors") || name.ends_with(".index.json"));
    return bundle && (weights || name == "config.json" || name.starts_with("tokenizer") ||
                      name == "added_tokens.json" || name == "special_tokens_map.json" ||
                      name == "trained_on.json");
  });
}

std::unique_ptr<Segmenter> load_segmenter(const std::filesystem::path& bundle,
                                          const BundleOptions& options) {
  const auto file = open_tensor_file(weights_of_bundle(bundle));
  auto model = sized_as_in_file(options.model, *file, bundle);
  const auto report = load_into(*model, *file, same_names(*file));
  refuse_faults(report, file->path().string() + ": does not fit config.json");
  return model;
}

std::unique_ptr<Segmenter> outline_segmenter(const std::filesystem::path& bundle,
                                             const BundleOptions& options) {
  const ShapesOnly shapes_only;
  return sized_as_in_file(options.model, *open_tensor_file(weights_of_bundle(bundle)), bundle);
}

std::vector<TensorToWrite> fit_to_model(std::vector<TensorToWrite> tensors,
                                        const SegmenterOptions& options, const std::string& where) {
  const ShapesOnly shapes_only;
  const auto model = without_values(options, at::kFloat, where);
  std::map<std::string, TensorToWrite> given;
  for (auto& tensor : tensors) {
    const auto name = tensor.info.name;
    given.emplace(name, std::move(tensor));
  }
  LoadReport report;
  std::vector<TensorToWrite> ordered;
  for (const auto& named : {model->named_parameters(), model->named_buffers()}) {
    for (const auto& [name, tensor] : named) {
      auto found = given.extract(name);
      if (found.empty()) {
        report.initialised.push_back(name);
        continue;
      }
      const at::IntArrayRef shape = found.mapped().info.shape;
      if (shape != tensor->sizes())
        report.mismatched.push_back(str_cat(name, ": file ", shape, ", model ", tensor->sizes()));
      ordered.push_back(std::move(found.mapped()));
    }
  }
  for (const auto& [name, tensor] : given) report.unused.push_back(name);
  refuse_faults(report, where);
  return ordered;
}

void write_bundle(const std::filesystem::path& folder, const std::vector<TensorToWrite>& tensors,
                  const BundleOptions& options, const nlohmann::json& provenance) {
  auto json = write_options(options);
  json["format"] = kFormat;
  json["provenance"] = provenance;
  write_checkpoint(folder, tensors);
  write_file(folder / "config.json", json.dump(2) + "\n");
}

void save_bundle(const std::filesystem::path& folder, Segmenter& model,
                 const BundleOptions& options, const nlohmann::json& provenance) {
  auto written = options;
  written.model = model.options();
  write_bundle(folder, tensors_to_save(model), written, provenance);
}

}  // namespace medseg
