#include "medseg/exchange/open_grounding.h"

#include <cstdlib>
#include <filesystem>
#include <map>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/bundle/open_bundle.h"
#include "medseg/models/grounding.h"
#include "medseg/models/sam_vit.h"
#include "medseg/models/tiny_vit.h"
#include "medseg/weights/sam_names.h"
#include "support/assets.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

using Tensors = std::map<std::string, at::Tensor>;

const std::string kGolden = MEDSEG_SOURCE_DIR "/tests/golden/sam/";

/// The fixture's tiny Sam under its own names.
Tensors tiny_sam() {
  const auto file = open_tensor_file(kGolden + "model.pth");
  Tensors tensors;
  for (const auto& source : sam_sources(*file))
    tensors[source.target] = file->load(source.source).clone();
  return tensors;
}

fs::path write(const Tensors& tensors, const fs::path& path) {
  write_safetensors(path, {tensors.begin(), tensors.end()});
  return path;
}

Tensors as_sam_model(const Tensors& sam) {
  Tensors hf;
  for (const auto& [name, tensor] : sam) {
    for (const auto& other : hf_names_from_sam(name)) hf[other] = tensor;
  }
  return hf;
}

void expect_tiny(const GroundingOptions& options) {
  EXPECT_EQ(options.encoder.name(), "sam_vit");
  const auto& vit = options.encoder.as<SamVitOptions>();
  EXPECT_EQ(vit.image_size, 32);
  EXPECT_EQ(vit.patch, 4);
  EXPECT_EQ(vit.position_grid, 8);
  EXPECT_EQ(vit.width, 12);
  EXPECT_EQ(vit.depth, 3);
  EXPECT_EQ(vit.heads, 3);
  EXPECT_EQ(vit.mlp_width, 24);
  EXPECT_EQ(vit.window, 3);
  EXPECT_EQ(vit.global_blocks, (std::vector<std::int64_t>{1}));
  EXPECT_EQ(options.width, 16);
  EXPECT_EQ(options.decoder_depth, 2);
  EXPECT_EQ(options.decoder_heads, 8);
  EXPECT_EQ(options.decoder_mlp, 24);
  EXPECT_EQ(options.num_masks, 4);
  EXPECT_EQ(options.mask_channels, 8);
}

/// The part's answer to the fixture's box; every tensor must have come from the file.
at::Tensor answer(const GroundingPart& part) {
  Grounding net(part.options);
  const auto report = load_into(net, *part.file, part.sources);
  EXPECT_TRUE(report.initialised.empty()) << report.initialised.front();
  EXPECT_TRUE(report.mismatched.empty()) << report.mismatched.front();
  EXPECT_TRUE(report.unused.empty()) << report.unused.front();
  const auto prompts = open_tensor_file(kGolden + "prompts.safetensors");
  const at::NoGradGuard no_grad;
  const auto embedding = net.encoder().forward(prompts->load("pixels"));
  return net.decode_boxes(embedding, prompts->load("box.boxes")).mask_logits;
}

class OpenGroundingTest : public ::testing::Test {
 protected:
  /// The one line with which `tensors` are refused, without the file's path.
  std::string refusal(const Tensors& tensors) {
    const auto path = write(tensors, folder_ / "bad.safetensors");
    return refusal(path);
  }
  static std::string refusal(const fs::path& path) {
    try {
      open_grounding(path);
    } catch (const CheckpointError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(path.string())) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      return message.substr(std::min(message.size(), path.string().size() + 2));
    }
    return "";
  }
  std::string without(const std::string& name) {
    auto tensors = sam_;
    EXPECT_EQ(tensors.erase(name), 1U) << name;
    return refusal(tensors);
  }
  std::string with(const std::string& name, std::vector<std::int64_t> shape) {
    auto tensors = sam_;
    tensors[name] = at::zeros(shape);
    return refusal(tensors);
  }

  TempFolder folder_{"open_grounding"};
  Tensors sam_ = tiny_sam();
};

TEST_F(OpenGroundingTest, TheSameModelComesOutOfEveryNaming) {
  const auto several_gpus = open_grounding(kGolden + "model.pth");
  expect_tiny(several_gpus.options);
  const auto expected = answer(several_gpus);
  const auto golden = open_tensor_file(kGolden + "prompts.safetensors")->load("box.logits");
  EXPECT_LT((expected - golden).abs().max().item<double>(),
            2e-5 * golden.abs().max().item<double>());

  const auto flat = open_grounding(write(sam_, folder_ / "flat.safetensors"));
  expect_tiny(flat.options);
  EXPECT_TRUE(answer(flat).equal(expected));

  const auto folder = folder_ / "sam-model";
  fs::create_directories(folder);
  write(as_sam_model(sam_), folder / "model.safetensors");
  write_file(folder / "config.json",
             R"({"model_type": "sam", "mask_decoder_config": {"num_attention_heads": 8}})");
  for (const auto& path : {folder, folder / "model.safetensors"}) {
    const auto hf = open_grounding(path);
    expect_tiny(hf.options);
    EXPECT_TRUE(answer(hf).equal(expected)) << path;
  }
}

TEST_F(OpenGroundingTest, BlocksOfOneKindNeedNoOther) {
  auto tensors = sam_;
  for (const char* axis : {"h", "w"}) {
    for (const int block : {0, 1, 2}) {
      const auto name = str_cat("image_encoder.blocks.", block, ".attn.rel_pos_", axis);
      tensors[name] = at::zeros({5, 4});
    }
  }
  const auto windowed = open_grounding(write(tensors, folder_ / "windowed.safetensors")).options;
  EXPECT_TRUE(windowed.encoder.as<SamVitOptions>().global_blocks.empty());
  EXPECT_EQ(windowed.encoder.as<SamVitOptions>().window, 3);
  for (auto& [name, tensor] : tensors) {
    if (name.find("rel_pos") != std::string::npos) tensor = at::zeros({15, 4});
  }
  const auto global = open_grounding(write(tensors, folder_ / "global.safetensors")).options;
  EXPECT_EQ(global.encoder.as<SamVitOptions>().global_blocks, (std::vector<std::int64_t>{0, 1, 2}));
}

TEST_F(OpenGroundingTest, MissingTensorsAreNamed) {
  EXPECT_EQ(without("image_encoder.blocks.2.attn.rel_pos_h"),
            "no tensor image_encoder.blocks.2.attn.rel_pos_h");
  EXPECT_EQ(without("image_encoder.blocks.1.attn.rel_pos_w"),
            "no tensor image_encoder.blocks.1.attn.rel_pos_w");
  EXPECT_EQ(without("image_encoder.pos_embed"), "no tensor image_encoder.pos_embed");
  EXPECT_EQ(without("image_encoder.neck.3.bias"), "no tensor image_encoder.neck.3.bias");
  EXPECT_EQ(without("prompt_encoder.no_mask_embed.weight"),
            "no tensor prompt_encoder.no_mask_embed.weight");
  EXPECT_EQ(without("mask_decoder.iou_token.weight"), "no tensor mask_decoder.iou_token.weight");
  EXPECT_EQ(without("image_encoder.patch_embed.proj.weight"),
            "no image encoder of SAM (image_encoder.patch_embed.… or "
            "vision_encoder.patch_embed.…)");
}

TEST_F(OpenGroundingTest, ContradictionsAreNamed) {
  const std::string block = "image_encoder.blocks.";
  EXPECT_EQ(with(block + "1.attn.rel_pos_h", {17, 4}),
            block + "1.attn.rel_pos_h: 17 rows belong to no window of a grid of 8");
  EXPECT_EQ(with(block + "0.attn.rel_pos_h", {6, 4}),
            block + "0.attn.rel_pos_h: 6 rows belong to no window of a grid of 8");
  EXPECT_EQ(with(block + "2.attn.rel_pos_h", {7, 4}),
            block + "2.attn.rel_pos_h: a window of 4, but earlier blocks have 3");
  EXPECT_EQ(with(block + "0.attn.rel_pos_h", {5, 5}),
            block + "0.attn.rel_pos_h: heads of 5 columns do not divide a width of 12");
  EXPECT_EQ(with(block + "1.attn.rel_pos_w", {5, 4}),
            block + "1.attn.rel_pos_w: shape [5, 4], expected [15, 4]");
  EXPECT_EQ(with(block + "2.attn.qkv.weight", {12, 12}),
            block + "2.attn.qkv.weight: shape [12, 12], expected [36, 12]");
  EXPECT_EQ(with("image_encoder.pos_embed", {1, 8, 7, 12}),
            "image_encoder.pos_embed: shape [1, 8, 7, 12], expected [1, 8, 8, 12]");
  EXPECT_EQ(with("image_encoder.pos_embed", {8, 8, 12}),
            "image_encoder.pos_embed: shape [8, 8, 12], expected 4 axes");
  EXPECT_EQ(with("image_encoder.pos_embed", {1, 0, 8, 12}),
            "image_encoder.pos_embed: shape [1, 0, 8, 12] is no model's");
  EXPECT_EQ(with("mask_decoder.mask_tokens.weight", {3, 16}),
            "mask_decoder.mask_tokens.weight: 3 tokens, but 4 output_hypernetworks_mlps");
  EXPECT_EQ(with("prompt_encoder.no_mask_embed.weight", {1, 12}),
            "a prompt width of 12 with 8 mask channels is no SAM's");
  // A block that only one of its tensors claims.
  EXPECT_EQ(with(block + "999.attn.rel_pos_h", {5, 4}), "no tensor " + block + "3.attn.rel_pos_h");
}

TEST_F(OpenGroundingTest, ASizeThatNoFileBacksAllocatesNothing) {
  // Four megabytes that would ask for a terabyte of attention.
  auto tensors = sam_;
  tensors["image_encoder.pos_embed"] = at::zeros({1, 1, 1, 999'999});
  tensors["image_encoder.blocks.0.attn.rel_pos_h"] = at::zeros({1, 1});
  for (const char* block : {"1", "2"})
    tensors[str_cat("image_encoder.blocks.", block, ".attn.rel_pos_h")] = at::zeros({1, 1});
  EXPECT_EQ(
      refusal(tensors),
      "image_encoder.patch_embed.proj.weight: shape [12, 3, 4, 4], expected [999999, 3, 4, 4]");
}

TEST_F(OpenGroundingTest, RelativesOfSamModelAreRefused) {
  const auto folder = folder_ / "relative";
  fs::create_directories(folder);
  write(as_sam_model(sam_), folder / "model.safetensors");
  const auto config = folder / "config.json";
  const auto refused = [&](const std::string& json) {
    write_file(config, json);
    try {
      open_grounding(folder);
    } catch (const CheckpointError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(config.string())) << message;
      return message.substr(config.string().size() + 2);
    }
    return std::string();
  };
  EXPECT_EQ(refused(R"({"model_type": "sam_hq"})"), R"(model_type "sam_hq"; known is "sam")");
  EXPECT_EQ(refused(R"({"mask_decoder_config": {"num_attention_heads": 4}})"),
            "mask_decoder_config.num_attention_heads is 4, expected 8");
  EXPECT_EQ(refused("[]"), "no object");
  EXPECT_NE(refused("{"), "");
  EXPECT_EQ(refused(R"({"mask_decoder_config": 7})"), "");
}

TEST_F(OpenGroundingTest, TruncatedFilesAreNamed) {
  const auto whole = read_file(kGolden + "model.pth");
  for (const double part : {0.0, 0.1, 0.5, 0.99}) {
    const auto path = folder_ / "cut.pth";
    write_file(path,
               whole.substr(0, static_cast<std::size_t>(part * static_cast<double>(whole.size()))));
    EXPECT_NE(refusal(path), "") << part;
  }
}

/// LiteMedSAM's or MobileSAM's names around the fixture's decoder; `kernel` is that of the first
/// convolutions.
Tensors tiny_vit_file(const Tensors& sam, std::int64_t stride) {
  GroundingOptions options;
  options.encoder.set(TinyVitOptions{.image_size = 64,
                                     .patch_stride = stride,
                                     .widths = {8, 8, 12, 16},
                                     .depths = {1, 2, 1, 1},
                                     .heads = {1, 1, 2, 2},
                                     .windows = {7, 3, 4, 3}});
  options.width = 16;
  options.decoder_mlp = 24;
  options.mask_channels = 8;
  Grounding net(options);
  Tensors tensors;
  for (const auto& named : {net.named_parameters(), net.named_buffers()}) {
    for (const auto& [name, tensor] : named)
      tensors[name] = name.starts_with("image_encoder.") ? *tensor : sam.at(name);
  }
  return tensors;
}

TEST_F(OpenGroundingTest, TinyVitIsKnownByItsNamesAndItsKernels) {
  for (const std::int64_t stride : {1, 2}) {
    auto tensors = tiny_vit_file(sam_, stride);
    tensors["image_encoder.norm_head.weight"] = at::zeros({16});  // MobileSAM's classifier
    const auto options = open_grounding(write(tensors, folder_ / "tiny.safetensors")).options;
    EXPECT_EQ(options.encoder.name(), "tiny_vit");
    const auto& vit = options.encoder.as<TinyVitOptions>();
    EXPECT_EQ(vit.image_size, stride == 1 ? 256 : 1024);
    EXPECT_EQ(vit.patch_stride, stride);
    EXPECT_EQ(vit.widths, (std::vector<std::int64_t>{8, 8, 12, 16}));
    EXPECT_EQ(vit.depths, (std::vector<std::int64_t>{1, 2, 1, 1}));
    EXPECT_EQ(vit.heads, (std::vector<std::int64_t>{2, 1, 2, 2}));
    EXPECT_EQ(vit.windows, (std::vector<std::int64_t>{7, 3, 4, 3}));
    EXPECT_EQ(options.width, 16);
  }
}

TEST_F(OpenGroundingTest, FaultsOfATinyVitAreNamed) {
  const auto good = tiny_vit_file(sam_, 2);
  const auto faulty = [&](const std::string& name, std::vector<std::int64_t> shape) {
    auto tensors = good;
    tensors[name] = at::zeros(shape);
    return refusal(tensors);
  };
  const std::string at = "image_encoder.";
  EXPECT_EQ(faulty(at + "patch_embed.seq.0.c.weight", {4, 3, 5, 5}),
            at + "patch_embed.seq.0.c.weight: a kernel of 5; known are 1 (LiteMedSAM) and 3 "
                 "(MobileSAM)");
  EXPECT_EQ(faulty(at + "layers.1.blocks.0.attn.attention_biases", {1, 10}),
            at + "layers.1.blocks.0.attn.attention_biases: 10 distances are no square window's");
  EXPECT_EQ(faulty(at + "layers.2.blocks.0.attn.attention_biases", {5, 16}),
            "tiny_vit.heads: 5 heads do not divide a width of 12");
  EXPECT_EQ(faulty(at + "layers.3.blocks.0.mlp.fc1.weight", {8, 16}),
            at + "layers.3.blocks.0.mlp.fc1.weight: shape [8, 16], expected [64, 16]");
}

TEST(OpenGroundingIntegration, LiteMedsamIsWhatItsPublishersBuilt) {
  const auto path = asset(kLiteMedSam);
  if (path.empty()) GTEST_SKIP() << kLiteMedSam << " was not fetched";
  EXPECT_EQ(write_options(open_grounding(path).options), write_options(GroundingOptions{}));
}

}  // namespace
}  // namespace medseg
