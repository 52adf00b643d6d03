#include <ATen/ATen.h>
#include <torch/version.h>

#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/config/fields.h"
#include "medseg/models/grounding.h"
#include "medseg/models/vision_tower.h"
#include "medseg/pipeline/feature_folder.h"

namespace medseg {
namespace {

// To be counted up when the same weights and pictures give other numbers.
constexpr const char* kNumbers = "medseg-encoders-2";

void add_tensors(Sha256& digest,
                 const std::vector<std::pair<std::string, at::Tensor*>>& named_tensors) {
  for (const auto& [name, tensor] : named_tensors) {
    if (!tensor->defined()) continue;
    const auto held = tensor->detach().cpu().contiguous();
    digest.add(str_cat("\n", name, " ", held.scalar_type(), " ", held.sizes(), "\n"));
    digest.add(std::span(static_cast<const std::uint8_t*>(held.const_data_ptr()), held.nbytes()));
  }
}

void add_module(Sha256& digest, Module& module) {
  add_tensors(digest, module.named_parameters());
  add_tensors(digest, module.named_buffers());
}

}  // namespace

std::string encoders_key(const Segmenter& model, const BundleOptions& options,
                         at::ScalarType precision, at::ScalarType storage) {
  nlohmann::json what = {{"numbers", kNumbers},
                         {"torch", TORCH_VERSION},
                         {"device", c10::DeviceTypeName(model.device().type())},
                         {"precision", c10::toString(precision)},
                         {"storage", c10::toString(storage)}};
  if (model.has_vision()) {
    what["vision"] = {{"options", write_options(model.options().vision)},
                      {"preprocess", write_options(options.vision_preprocess)}};
  }
  if (model.has_grounding()) {
    auto grounding = write_options(model.options().grounding);
    for (const char* decoder : {"decoder_depth", "decoder_heads", "decoder_mlp", "num_masks",
                                "mask_channels"})  // no feature depends on these
      grounding.erase(decoder);
    grounding["preprocess"] = name_of(options.grounding_preprocess);
    what["grounding"] = grounding;
  }
  Sha256 digest;
  digest.add(what.dump());
  if (model.has_vision()) add_module(digest, model.vision());
  if (model.has_grounding()) add_module(digest, model.grounding().encoder());
  return digest.text();
}

FeatureForm feature_form(const Segmenter& model, const BundleOptions& options,
                         at::ScalarType precision, at::ScalarType storage) {
  FeatureForm form{.encoders = encoders_key(model, options, precision, storage),
                   .vision = {},
                   .grounding = {},
                   .storage = storage};
  if (model.has_vision()) {
    const auto grid = model.vision().grid();
    form.vision = {grid * grid, model.vision().width()};
  }
  if (model.has_grounding()) {
    const auto grid = model.grounding().encoder().grid();
    form.grounding = {model.options().grounding.width, grid, grid};
  }
  return form;
}

}  // namespace medseg
