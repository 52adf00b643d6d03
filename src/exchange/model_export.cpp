#include "medseg/exchange/model_export.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "adapter_export.h"
#include "exported_config.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/bundle/audit.h"
#include "medseg/bundle/bundle.h"
#include "medseg/models/clip.h"
#include "medseg/models/part_names.h"
#include "medseg/models/sam_vit.h"
#include "medseg/weights/layouts.h"
#include "medseg/weights/sam_names.h"
#include "stated_licence.h"
#include "token_rows.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Export {
 public:
  Export(const ExportRequest& request, fs::path folder)
      : request_(request),
        folder_(std::move(folder)),
        options_(read_bundle_options(request.bundle)) {
    const std::shared_ptr<const TensorFile> file =
        open_tensor_file(weights_of_bundle(request.bundle));
    for (const auto& info : file->tensors()) tensors_.push_back(to_write(info.name, file, info));
    tensors_ = fit_to_model(std::move(tensors_), options_.model,
                            file->path().string() + ": does not fit config.json");
    tokenizer_ = raised_as<CheckpointError>(request.bundle.string(), [&] {
      return load_tokenizer(request.bundle, tokenizer_mode(options_.tokenizer_mode));
    });
  }

  ExportReport run() {
    if (request_.layout == ExportLayout::kSam) {
      grounding();
    } else if (request_.layout == ExportLayout::kHfLlava) {
      hugging_face_llava();
    } else {
      whole_model();
    }
    return report_;
  }

 private:
  // Terms of `part`, or of all but it.
  std::vector<PartLicence> licences(const std::string& part, bool take) const {
    std::vector<PartLicence> chosen;
    for (const auto& licence : options_.licences) {
      if ((licence.part == part) == take) chosen.push_back(licence);
    }
    return chosen;
  }

  void need(bool fits, const std::string& what) const {
    if (!fits)
      throw CheckpointError(request_.bundle.string(),
                            "layout " + name_of(request_.layout) + ": " + what);
  }

  void need_words() const {
    // Other layouts have no list of initialised tensors, so the warning would be lost.
    refuse_untrained(options_, request_.bundle);
    const auto& tower = options_.model.vision.tower;
    need(tower.holds<ClipOptions>(), "needs a CLIP tower, the bundle has \"" + tower.name() + "\"");
    need(options_.model.projector.merge == 1,
         str_cat("has a token for each patch, the bundle merges ", options_.model.projector.merge,
                 "×", options_.model.projector.merge));
  }

  void write(const fs::path& folder, const std::vector<TensorToWrite>& tensors) {
    write_checkpoint(folder, tensors, request_.shard_bytes);
    report_.written += tensors.size();
  }

  static void write_json(const fs::path& path, const nlohmann::json& json) {
    write_file(path, json.dump(2) + "\n");
  }

  // The tensors whose names begin with `prefix`, without it.
  std::vector<TensorToWrite> below(const std::string& prefix) const {
    std::vector<TensorToWrite> part;
    for (const auto& tensor : tensors_) {
      if (!tensor.info.name.starts_with(prefix)) continue;
      part.push_back(tensor);
      part.back().info.name.erase(0, prefix.size());
    }
    return part;
  }

  std::vector<TensorToWrite> under_their_names(const Layout& layout) {
    std::vector<TensorToWrite> renamed;
    for (const auto& tensor : tensors_) {
      const auto name = their_name(layout, tensor.info.name);
      if (!name) {
        report_.left_out.push_back(tensor.info.name);
        continue;
      }
      renamed.push_back(tensor);
      renamed.back().info.name = *name;
    }
    return renamed;
  }

  // lisa, glamm: without the tower, which these repositories fetch by name; it goes into a folder
  // of its own.
  void whole_model() {
    const auto& model = options_.model;
    need_words();
    need(model.grounding.encoder.holds<SamVitOptions>(),
         "needs SAM's ViT, the bundle has \"" + model.grounding.encoder.name() + "\"");
    const auto projector =
        request_.layout == ExportLayout::kLisa ? ProjectorType::kLinear : ProjectorType::kMlp2xGelu;
    need(model.projector.type == projector, "has a " + name_of(projector) +
                                                " projector, the bundle has " +
                                                name_of(model.projector.type));
    const auto tower = below(part::kVisionTower);
    write_json(folder_ / "vision_tower/config.json", clip_config(model.vision));
    write_json(folder_ / "vision_tower/preprocessor_config.json", image_config(options_));
    write(folder_ / "vision_tower", tower);
    std::erase_if(tensors_, [](const auto& tensor) {
      return tensor.info.name.starts_with(part::kVisionTower);
    });
    write(folder_, under_their_names(layout_of(name_of(request_.layout))));
    write_json(folder_ / "config.json", segmenter_config(options_, *tokenizer_, request_.layout));
    write_tokenizer(*tokenizer_);
    export_licences(folder_ / "vision_tower", licences("vision", true));
    export_licences(folder_, licences("vision", false));
  }

  void hugging_face_llava() {
    need_words();
    need(options_.model.projector.type == ProjectorType::kMlp2xGelu,
         "has an mlp2x_gelu projector, the bundle has " + name_of(options_.model.projector.type));
    // There the placeholder of an image is a token of the vocabulary; here it is not.
    const auto image_token = tokenizer_->add_tokens({"<image>", "<pad>"}).front();
    auto& vocabulary = options_.model.language.vocabulary;
    vocabulary = std::max(vocabulary, tokenizer_->size());
    for (auto& tensor : tensors_) {
      const auto name = tensor.info.name;
      if (part::is_token_matrix(name) && tensor.info.shape[0] < vocabulary)
        tensor = with_rows(tensor, vocabulary);
    }
    write(folder_, under_their_names(layout_of("llava-hf")));
    const auto patches = clip_config(options_.model.vision);
    const auto side =
        patches.at("image_size").get<std::int64_t>() / patches.at("patch_size").get<std::int64_t>();
    write_json(folder_ / "config.json",
               llava_config(options_, *tokenizer_, image_token, side * side));
    write_json(folder_ / "preprocessor_config.json", image_config(options_));
    write_json(folder_ / "processor_config.json", {{"processor_class", "LlavaProcessor"},
                                                   {"patch_size", patches.at("patch_size")},
                                                   {"num_additional_image_tokens", 1},
                                                   {"vision_feature_select_strategy", "default"},
                                                   {"image_token", "<image>"}});
    write_tokenizer(*tokenizer_);
    export_licences(folder_, licences("grounding", false));
  }

  static TensorToWrite with_rows(const TensorToWrite& tensor, std::int64_t count) {
    const auto old = tensor.load();
    auto rows = at::empty({count, old.size(1)}, at::kFloat);
    fill_token_rows(rows, old.to(at::kFloat), /*seed=*/0);
    return to_write(tensor.info.name, rows.to(old.scalar_type()));
  }

  // SAM's own, or those of the checkpoint that held it.
  std::vector<PartLicence> grounding_licences() const {
    auto own = licences("grounding", true);
    return own.empty() ? licences("model", true) : own;
  }

  void grounding() {
    const auto& options = options_.model.grounding;
    need(bool(options.encoder), "the bundle has no grounding part");
    const auto tensors = below(part::kGrounding);
    std::vector<std::pair<std::string, at::Tensor>> own;
    for (const auto& tensor : tensors) own.emplace_back(tensor.info.name, tensor.load());
    write_safetensors(folder_ / "segment_anything.safetensors", own, {{"format", "pt"}});
    report_.written = tensors.size();
    export_licences(folder_, grounding_licences());
    for (const auto& tensor : tensors_) {
      if (!tensor.info.name.starts_with(part::kGrounding))
        report_.left_out.push_back(tensor.info.name);
    }
    // transformers has no SamModel with another encoder.
    if (!options.encoder.holds<SamVitOptions>()) return;
    std::vector<TensorToWrite> renamed;
    for (const auto& tensor : tensors) {
      const auto names = hf_names_from_sam(tensor.info.name);
      need(!names.empty(), "SamModel has no tensor for " + tensor.info.name);
      for (const auto& name : names) {
        renamed.push_back(tensor);
        renamed.back().info.name = name;
      }
    }
    write_checkpoint(folder_, renamed, request_.shard_bytes);
    write_json(folder_ / "config.json", sam_config(options));
  }

  void write_tokenizer(const Tokenizer& tokenizer) const {
    tokenizer.save(folder_);
    write_tokenizer_config(folder_, tokenizer, options_.tokenizer_mode);
  }

  const ExportRequest& request_;
  fs::path folder_;
  BundleOptions options_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::vector<TensorToWrite> tensors_;
  ExportReport report_;
};

}  // namespace

ExportReport export_bundle(const ExportRequest& request, const fs::path& out) {
  refuse_foreign_folder(out);
  AtomicFolder folder(out);
  auto report = request.layout == ExportLayout::kPeft
                    ? export_adapter(request.bundle, folder.path())
                    : Export(request, folder.path()).run();
  folder.commit();
  return report;
}

}  // namespace medseg
