#include <map>

#include <ATen/ATen.h>

#include "grounding_geometry.h"
#include "layout_assembly.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/exchange/open_grounding.h"
#include "medseg/exchange/open_vision.h"
#include "medseg/models/part_names.h"
#include "medseg/nn/linear.h"
#include "medseg/text/conversation.h"
#include "medseg/weights/layouts.h"
#include "token_rows.h"

namespace medseg {
namespace {

void add_sources(const std::shared_ptr<const TensorFile>& file,
                 const std::vector<TensorSource>& sources, const std::string& prefix,
                 Assembly& assembly) {
  assembly.note(*file);
  std::map<std::string, TensorInfo> infos;
  for (const auto& info : file->tensors()) infos[info.name] = info;
  for (const auto& source : sources) {
    const auto name = prefix + source.target;
    if (source.change) {
      assembly.tensors.push_back(to_write(name, source.change(file->load(source.source))));
    } else {
      assembly.tensors.push_back(to_write(name, file, infos.at(source.source)));
    }
  }
}

/// llava with --grounding: the tokens that are missing and their rows, and a segmentation head, all
/// to be trained.
void begin_segmentation(const LayoutRequest& request, Assembly& assembly) {
  auto& options = assembly.options;
  assembly.tokenizer->add_tokens({kSegToken, kPhraseOpen, kPhraseClose});
  auto& vocabulary = options.model.language.vocabulary;
  const auto old_rows = vocabulary;
  vocabulary = std::max(vocabulary, assembly.tokenizer->size());
  for (auto& tensor : assembly.tensors) {
    const auto name = tensor.info.name;
    if (!part::is_token_matrix(name)) continue;
    const auto old = tensor.load();
    auto rows = at::empty({vocabulary, old.size(1)}, at::kFloat);
    fill_token_rows(rows, old.to(at::kFloat), request.seed);
    tensor = to_write(name, rows.to(old.scalar_type()));
    options.initialised.push_back(str_cat(name, "[", old_rows, ":", vocabulary, "]"));
  }
  at::manual_seed(request.seed);
  const auto width = options.model.language.width;
  for (const auto& [index, out] : {std::pair{"0", width}, {"2", options.model.grounding.width}}) {
    Linear layer(width, out);
    for (const auto& [name, value] : layer.named_parameters()) {
      const auto full = str_cat(part::kSegmentationHead, index, ".", name);
      assembly.tensors.push_back(to_write(full, *value));
      options.initialised.push_back(full);
    }
  }
}

void select_layer(VisionOptions& options, std::int64_t layer) {
  auto& tower = options.tower;
  if (tower.row()->select_layer == nullptr) return;
  auto chosen = tower.options();
  tower.row()->select_layer(chosen, layer);
  tower.choose(*tower.row(), std::move(chosen));
}

}  // namespace

void read_vision(const LayoutRequest& request, Assembly& assembly) {
  const auto inside = part_of(assembly.file, part::kVisionTower);
  const bool holds_tower = !inside->tensors().empty();
  // The tower inside may be described elsewhere: LLaVA-Med's config.json names it and no more.
  const bool only_described = holds_tower && !request.vision.empty();
  if (only_described && !std::filesystem::exists(request.vision / "config.json")) {
    throw ConfigError("--vision", request.source.string() +
                                      " holds its own vision tower, which only a folder with a "
                                      "config.json can describe");
  }
  if (!holds_tower && request.vision.empty()) {
    const auto& trained_with = assembly.config.tower;
    throw ConfigError("--vision",
                      request.source.string() + " holds no vision tower" +
                          (trained_with.empty() ? "" : ", it was trained with " + trained_with) +
                          "; name the tower's folder");
  }
  auto& options = assembly.options;
  assembly.tower_is_inside = holds_tower;
  auto tower = open_vision(holds_tower ? request.source : request.vision, request.vision);
  options.model.vision = tower.options;
  select_layer(options.model.vision, assembly.config.select_layer);
  options.vision_preprocess = tower.preprocess;
  if (!holds_tower) add_sources(std::move(tower.file), tower.sources, part::kVisionTower, assembly);
  options.model.projector = {.type = assembly.config.projector, .merge = 1};
  auto& fit = options.vision_preprocess.mode;
  if (assembly.config.pads) {
    fit = VisionFit::kPad;
  } else if (fit == VisionFit::kPad) {
    fit = VisionFit::kCrop;
  }
}

void read_grounding(const LayoutRequest& request, Assembly& assembly) {
  auto& options = assembly.options;
  options.model.grounding.encoder.clear();
  options.grounding_preprocess = request.grounding_preprocess;
  if (request.layout == ImportLayout::kLlava) {
    if (request.grounding.empty()) return;
    auto sam = open_grounding(request.grounding);
    options.model.grounding = sam.options;
    add_sources(std::move(sam.file), sam.sources, part::kGrounding, assembly);
    begin_segmentation(request, assembly);
    return;
  }
  const auto inside = part_of(assembly.file, part::kGrounding);
  options.model.grounding = grounding_geometry(*inside, plain_sources(*inside));
  const auto stated = assembly.config.prompt_width;
  if (stated != 0 && stated != options.model.grounding.width) {
    throw CheckpointError(assembly.config.path.string(),
                          str_cat("out_dim is ", stated, ", but the mask decoder takes prompts of ",
                                  options.model.grounding.width));
  }
}

}  // namespace medseg
