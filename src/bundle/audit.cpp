#include "medseg/bundle/audit.h"

#include <map>
#include <set>

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/models/part_names.h"
#include "medseg/nn/initialise.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

constexpr std::size_t kNamesShown = 10;

/// Of SAM's mask tokens the first answers a `[SEG]`.
bool is_another_mask(const std::string& name) {
  const std::string networks = "mask_decoder.output_hypernetworks_mlps.";
  const auto at = name.find(networks);
  return at != std::string::npos && !name.substr(at + networks.size()).starts_with("0.");
}

bool has_any(const std::string& name, std::initializer_list<const char*> parts) {
  for (const char* part : parts) {
    if (name.find(part) != std::string::npos) return true;
  }
  return false;
}

/// The model's names and sizes: memory that nobody touches costs nothing.
std::unique_ptr<Segmenter> skeleton(const std::filesystem::path& bundle,
                                    const SegmenterOptions& options) {
  return raised_as<CheckpointError>((bundle / "config.json").string() + ": model", [&] {
    const SkipInitialisation skip;
    return std::make_unique<Segmenter>(options);
  });
}

}  // namespace

BundleAudit audit_bundle(const std::filesystem::path& bundle, const BundleOptions& options) {
  const auto model = skeleton(bundle, options.model);
  const auto file = open_tensor_file(weights_of_bundle(bundle));
  BundleAudit audit;
  audit.initialised = options.initialised;
  const std::set<std::string> stand_ins(options.initialised.begin(), options.initialised.end());
  std::map<std::string, std::vector<std::int64_t>> stored;
  for (const auto& info : file->tensors()) stored[info.name] = info.shape;
  for (const auto& named : {model->named_parameters(), model->named_buffers()}) {
    for (const auto& [name, tensor] : named) {
      const auto found = stored.extract(name);
      if (found.empty()) {
        audit.missing.push_back(name);
        continue;
      }
      const at::IntArrayRef shape = found.mapped();
      if (shape != tensor->sizes()) {
        audit.mismatched.push_back(str_cat(name, ": file ", shape, ", model ", tensor->sizes()));
      } else if (!stand_ins.contains(name)) {
        audit.loaded.push_back(name);
      }
    }
  }
  for (const auto& [name, shape] : stored) audit.unused.push_back(name);
  return audit;
}

void refuse_unfit(const BundleAudit& audit, const std::filesystem::path& bundle) {
  std::string faults;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (names.empty()) return;
    faults += str_cat("; ", names.size(), " ", what, ": ", join_first(names, kNamesShown));
  };
  add("missing", audit.missing);
  add("unused", audit.unused);
  add("mismatched", audit.mismatched);
  if (faults.empty()) return;
  throw CheckpointError(weights_of_bundle(bundle).string(), "does not fit config.json" + faults);
}

bool is_beyond_training(const std::string& name) {
  return is_another_mask(name) ||
         has_any(name, {"mask_decoder.iou_prediction_head.", "prompt_encoder.point_embeddings.",
                        "prompt_encoder.not_a_point_embed.", "prompt_encoder.mask_downscaling."});
}

std::vector<std::string> untrained_parts(const BundleOptions& options, BundleUse use) {
  std::vector<std::string> parts;
  for (const auto& name : options.initialised) {
    const bool of_boxes = name.starts_with(part::kGrounding) && !is_another_mask(name);
    if (use == BundleUse::kAnswers ? !is_beyond_training(name) : of_boxes) parts.push_back(name);
  }
  return parts;
}

void refuse_untrained(const BundleOptions& options, const std::filesystem::path& bundle,
                      BundleUse use) {
  const auto untrained = untrained_parts(options, use);
  if (untrained.empty()) return;
  throw CheckpointError(
      bundle.string(),
      str_cat("must not be used before training; ", untrained.size(),
              " initialised and never trained: ", join_first(untrained, kNamesShown)));
}

}  // namespace medseg
