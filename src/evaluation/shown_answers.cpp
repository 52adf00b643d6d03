#include "medseg/evaluation/shown_answers.h"

#include <algorithm>

#include "medseg/base/str.h"
#include "medseg/dataset/turns.h"
#include "medseg/image/overlay.h"

namespace medseg {
namespace {

constexpr int kSide = 256;  // smallest side of an image: two stand side by side

Image side_by_side(const Image& left, const Image& right) {
  Image both{left.width + right.width, std::max(left.height, right.height), 3, {}};
  const auto stride = static_cast<std::size_t>(both.width) * 3;
  both.pixels.assign(stride * static_cast<std::size_t>(both.height), 255);
  const auto paste = [&](const Image& image, int x) {
    for (int y = 0; y < image.height; ++y) {
      const std::uint8_t* row = image.at(0, y);
      std::copy(
          row, row + static_cast<std::size_t>(image.width) * 3,
          both.pixels.begin() + static_cast<std::ptrdiff_t>(stride * static_cast<std::size_t>(y) +
                                                            static_cast<std::size_t>(x) * 3));
    }
  };
  paste(left, 0);
  paste(right, left.width);
  return both;
}

std::vector<OverlayMask> labelled(const std::vector<Mask>& masks,
                                  const std::vector<std::string>& names) {
  std::vector<OverlayMask> shown;
  for (std::size_t i = 0; i < masks.size(); ++i)
    shown.push_back({masks[i], i < names.size() ? names[i] : str_cat("mask ", i + 1)});
  return shown;
}

}  // namespace

ShownAnswer shown_answer(const Prediction& prediction, const Manifest& manifest) {
  const Record* record = manifest.find(prediction.id);
  MEDSEG_CHECK(record != nullptr, "a prediction of another manifest");
  const RecordTurn& turn = *answered_turns(*record).at(static_cast<std::size_t>(prediction.turn));
  const Image image = load_image(manifest, *record);
  auto scored = expected_turn(manifest, *record, turn, image.width, image.height);
  add_prediction(scored, prediction, manifest.path().string(), image.width, image.height);
  ShownAnswer shown;
  shown.id = prediction.id;
  shown.turn = prediction.turn;
  shown.question = turn.question;
  shown.expected = turn.answer;
  shown.answer = prediction.text;
  shown.picture =
      side_by_side(draw_overlay(image, labelled(scored.reference, scored.targets), kSide),
                   draw_overlay(image, labelled(scored.predicted, scored.phrases), kSide));
  return shown;
}

std::vector<ShownAnswer> shown_answers(const Evaluation& evaluation, const Manifest& manifest,
                                       std::int64_t count) {
  const auto& all = evaluation.predictions;
  const auto wanted =
      std::min(static_cast<std::size_t>(std::max<std::int64_t>(count, 0)), all.size());
  std::vector<ShownAnswer> shown;
  for (std::size_t i = 0; i < wanted; ++i)
    shown.push_back(shown_answer(all[i * all.size() / wanted], manifest));
  return shown;
}

}  // namespace medseg
