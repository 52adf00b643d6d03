#include "medseg/evaluation/baselines.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "medseg/base/progress.h"
#include "medseg/dataset/turns.h"
#include "medseg/evaluation/predictions.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/autocast.h"
#include "medseg/pipeline/preprocess.h"
#include "medseg/report/scores_text.h"
#include "training_masks.h"

namespace medseg {
namespace {

// Tight box x0 y0 x1 y1 in model pixels, edges outside the mask's pixels. \pre mask not empty.
at::Tensor box_of(const Mask& mask, const ModelFrame& frame) {
  int left = mask.width, top = mask.height, right = 0, bottom = 0;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x) {
      if (mask.pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(mask.width) +
                      static_cast<std::size_t>(x)] == 0) {
        continue;
      }
      left = std::min(left, x);
      right = std::max(right, x + 1);
      top = std::min(top, y);
      bottom = std::max(bottom, y + 1);
    }
  }
  const double sx =
      static_cast<double>(frame.resized_width) / static_cast<double>(frame.image_width);
  const double sy =
      static_cast<double>(frame.resized_height) / static_cast<double>(frame.image_height);
  return at::tensor({left * sx, top * sy, right * sx, bottom * sy}, at::kFloat).unsqueeze(0);
}

Mask mask_in_box(const OpenBundle& bundle, const ImageFeatures& features, const Mask& truth) {
  if (truth.area() == 0) return Mask(truth.width, truth.height);
  const auto output = bundle.model->grounding().decode_boxes(
      features.grounding.to(at::kFloat).unsqueeze(0), box_of(truth, features.frame));
  return mask_from_logits(upscale_masks(output.mask_logits, features.frame)[0]);
}

}  // namespace

Baselines score_baselines(const Manifest& manifest, const std::string& training_split,
                          const std::string& split, const OpenBundle* bundle, FeatureCache* cache,
                          at::ScalarType precision) {
  const at::NoGradGuard no_grad;
  const auto device = bundle != nullptr ? bundle->model->device() : at::Device(at::kCPU);
  const AutocastScope autocast(device.type(), precision);
  const bool draws_boxes = bundle != nullptr && cache != nullptr && bundle->model->has_grounding();
  const auto records = manifest.split(split);
  if (records.empty())
    throw DataError(manifest.path().string(), "no record in split \"" + split + "\"");
  TrainingMasks training(manifest, training_split);
  ScoreBoard mean_mask, nearest_slice, true_box;
  Progress progress("baselines " + split, static_cast<std::int64_t>(records.size()));
  std::int64_t done = 0;
  for (const Record* record : records) {
    const Image image = load_image(manifest, *record);
    for (const RecordTurn* turn : answered_turns(*record)) {
      auto scored = expected_turn(manifest, *record, *turn, image.width, image.height);
      scored.phrases = scored.targets;  // they are told the target
      const auto add = [&](ScoreBoard& board, const auto& answer) {
        auto own = scored;
        for (std::size_t i = 0; i < own.targets.size(); ++i) own.predicted.push_back(answer(i));
        clear_ignored(own, manifest, *record, *turn, image.width, image.height);
        board.add(own);
      };
      add(mean_mask, [&](std::size_t i) {
        return training.mean(*record, scored.targets[i], image.width, image.height);
      });
      add(nearest_slice, [&](std::size_t i) {
        return training.nearest(*record, scored.targets[i], image.width, image.height);
      });
      if (!draws_boxes) continue;
      const auto features = scored.targets.empty() ? nullptr : cache->get(image);
      add(true_box,
          [&](std::size_t i) { return mask_in_box(*bundle, *features, scored.reference[i]); });
    }
    progress.update(++done);
  }
  Baselines baselines{mean_mask.scores(), nearest_slice.scores(), std::nullopt};
  if (draws_boxes) baselines.true_box = true_box.scores();
  return baselines;
}

std::string baselines_json(const Baselines& baselines) {
  using Json = nlohmann::ordered_json;
  Json json;
  json["mean_mask"] = Json::parse(scores_json(baselines.mean_mask));
  json["nearest_slice"] = Json::parse(scores_json(baselines.nearest_slice));
  if (baselines.true_box) json["true_box"] = Json::parse(scores_json(*baselines.true_box));
  return json.dump();
}

}  // namespace medseg
