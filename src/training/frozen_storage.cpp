#include "medseg/training/frozen_storage.h"

#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/weights/tensor_file.h"
#include "token_matrix.h"

namespace medseg {
namespace {

constexpr const char* kBeyondFp16 =
    "values beyond fp16's range; train.precision \"bf16\" holds them";

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

FrozenStorage::FrozenStorage(OpenBundle& bundle, at::ScalarType precision, FrozenFormat format)
    : bundle_(bundle.path) {
  if (format != FrozenFormat::kPrecision) store_low_bit(*bundle.model, precision, format);
  std::set<const at::Tensor*> low_bit;
  for (const auto& [name, layer] : bundle.model->modules_of_type<Linear>()) {
    if (layer->low_bit()) low_bit.insert(&layer->weight);
  }
  for (const auto& [name, tensor] : bundle.model->named_parameters()) {
    if (low_bit.contains(tensor)) continue;
    const bool language = name.starts_with("model.layers.") || is_token_matrix(name);
    const bool projector = contains(name, "mm_projector") || contains(name, "text_hidden_fcs");
    if (tensor->requires_grad() || tensor->dim() != 2 || !(language || projector)) continue;
    if (precision == at::kFloat && tensor->scalar_type() == at::kFloat) continue;
    *tensor = tensor->detach().to(precision);
    if (precision == at::kHalf && !tensor->isfinite().all().item<bool>())
      throw CheckpointError(bundle.path.string(), name + " has " + kBeyondFp16);
    cast_.emplace_back(name, tensor);
  }
}

void FrozenStorage::store_low_bit(Segmenter& model, at::ScalarType precision, FrozenFormat format) {
  const auto type = format == FrozenFormat::kInt8 ? LowBitType::kInt8 : LowBitType::kNf4;
  std::int64_t before = 0, after = 0;
  for (const auto& [name, layer] : model.modules_of_type<Linear>()) {
    if (!name.starts_with("model.layers.") || layer->weight.requires_grad()) continue;
    before += static_cast<std::int64_t>(layer->weight.nbytes());
    // Saved as the bundle has it, unless bf16 would round values that the run computes with.
    const bool bf16 = layer->weight.scalar_type() == at::kBFloat16 && precision == at::kBFloat16;
    with_place(str_cat(bundle_.string(), ": ", name, ".weight"), [&, layer = layer] {
      if (precision == at::kHalf && !layer->weight.to(at::kHalf).isfinite().all().item<bool>())
        throw CheckpointError(kBeyondFp16);
      layer->store_low_bit(type, bf16 ? at::kBFloat16 : at::kFloat);
    });
    after += layer->low_bit()->bytes();
  }
  if (after == 0) {
    throw ConfigError(
        "train.frozen_storage",
        "\"" + name_of(format) + "\", but every projection of the language model trains");
  }
  log_info(str_cat("language model's projections in ", name_of(format), ": ",
                   gigabytes_text(static_cast<std::uint64_t>(before)), " are ",
                   gigabytes_text(static_cast<std::uint64_t>(after))));
}

FrozenStorage::Original::Original(FrozenStorage& storage) : storage_(storage) {
  if (storage.cast_.empty()) return;
  const auto file = open_tensor_file(storage.bundle_);
  for (const auto& [name, tensor] : storage.cast_) {
    small_.push_back(*tensor);
    // New rows are appended in the dtype of their matrix, which must not round them.
    const auto original = file->load(name);
    *tensor = is_token_matrix(name) ? original.to(at::kFloat) : original;
  }
}

FrozenStorage::Original::~Original() {
  for (std::size_t i = 0; i < small_.size(); ++i) *storage_.cast_[i].second = small_[i];
}

MergedAdapters::MergedAdapters(OpenBundle& bundle, FrozenStorage& frozen,
                               at::ScalarType precision) {
  const FrozenStorage::Original original(frozen);
  for (const auto& [name, layer] : bundle.model->modules_of_type<Linear>()) {
    if (!layer->has_adapter()) continue;
    if (layer->low_bit()) {  // a merged copy of every layer would take the memory that was saved
      layer->answer_merged(precision);
    } else {
      layer->answer_with(layer->merged_weight().to(layer->lora_a.device(), precision));
    }
    layers_.push_back(layer);
  }
}

MergedAdapters::~MergedAdapters() {
  for (Linear* layer : layers_) {
    layer->answer_with({});
    layer->answer_merged({});
  }
}

}  // namespace medseg
