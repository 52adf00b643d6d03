// Losses and gradients of every published layout against the Python originals
// (tests/golden/layouts).
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/exchange/layout_import.h"
#include "medseg/models/grounding.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/linear.h"
#include "medseg/training/losses.h"
#include "models/golden.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

fs::path layouts(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

std::vector<std::int64_t> list_of(const at::Tensor& ids) {
  return {ids.const_data_ptr<std::int64_t>(), ids.const_data_ptr<std::int64_t>() + ids.numel()};
}

class LayoutLosses : public ::testing::TestWithParam<std::string> {
 protected:
  /// Imported as a user would, then widened: the originals computed in fp32.
  OpenBundle imported() const {
    LayoutRequest request;
    request.layout =
        choice_named<ImportLayout>("layout", GetParam().substr(0, GetParam().find('-')));
    request.source = layouts(GetParam());
    if (GetParam().find('-') == std::string::npos) request.vision = layouts("clip");
    import_layout(request, scratch_ / "bundle");
    auto bundle = open_bundle(scratch_ / "bundle");
    cast_parameters(*bundle.model, at::kFloat, [](const auto&, const auto&) { return true; });
    return bundle;
  }

  TempFolder scratch_{"layout-losses"};
};

TEST_P(LayoutLosses, AndTheirGradientsAreThoseOfTheOriginals) {
  const auto expected = golden::open("layouts/expected/" + GetParam() + ".safetensors");
  const auto bundle = imported();
  auto& model = *bundle.model;
  std::map<std::string, at::Tensor*> wanted;  // by the name of their golden gradient
  for (const auto& [name, tensor] : model.named_parameters()) {
    if (!expected->contains("grad." + name)) continue;
    tensor->set_requires_grad(true);
    wanted["grad." + name] = tensor;
  }
  for (const auto& info : expected->tensors()) {
    if (info.name.starts_with("grad.")) ASSERT_TRUE(wanted.contains(info.name)) << info.name;
  }

  DialogueBatch batch;
  batch.ids = {list_of(expected->load("ids"))};
  batch.labels = {list_of(expected->load("labels"))};
  batch.seg_positions = {{}};
  const bool draws = expected->contains("truth");
  for (std::size_t i = 0; draws && i < batch.ids[0].size(); ++i) {
    if (batch.ids[0][i] == bundle.options.special_tokens.at("[SEG]"))
      batch.seg_positions[0].push_back(static_cast<std::int64_t>(i));
  }
  batch.vision_features = model.vision().features(expected->load("pixels"));
  const auto output = model.forward(batch);
  EXPECT_TRUE(golden::close(output.text_loss, expected->load("loss.ce"), 2e-5));
  auto total = output.text_loss;
  if (draws) {
    const auto embedding = model.grounding().encoder().forward(expected->load("grounding_pixels"));
    const auto logits = model.grounding().decode(embedding, output.prompts).mask_logits;
    const ModelFrame frame{.size = 64,
                           .resized_height = 51,
                           .resized_width = 64,
                           .image_height = 16,
                           .image_width = 20};
    EXPECT_TRUE(golden::close(upscale_masks(logits, frame), expected->load("mask.logits"), 2e-5));
    const auto losses = batch_mask_losses(logits, {{expected->load("truth"), frame}});
    EXPECT_TRUE(golden::close(losses.bce, expected->load("loss.bce"), 2e-5));
    EXPECT_TRUE(golden::close(losses.dice, expected->load("loss.dice"), 2e-5));
    total = 1.0 * total + 2.0 * losses.bce + 0.5 * losses.dice;
    EXPECT_TRUE(golden::close(total, expected->load("loss.total"), 2e-5));
  }
  total.backward();
  for (const auto& [name, tensor] : wanted)
    EXPECT_TRUE(golden::close(tensor->grad(), expected->load(name), 1e-4)) << name;
}

INSTANTIATE_TEST_SUITE_P(Published, LayoutLosses,
                         ::testing::Values("lisa", "glamm", "llava", "llava-med", "llava-hf"),
                         [](const auto& info) {
                           auto name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace medseg
