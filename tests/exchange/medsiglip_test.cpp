#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "medseg/exchange/open_vision.h"
#include "medseg/models/siglip.h"
#include "medseg/models/vision_tower.h"
#include "medseg/nn/initialise.h"
#include "medseg/weights/tensor_file.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

/// One layer of a SigLIP of so400m's width with a grid of `grid`².
void write_tower(const std::filesystem::path& file, std::int64_t grid) {
  const SkipInitialisation skip;
  const auto tower = make_siglip({.image_size = grid * 14, .layers = 1, .mlp_width = 8});
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, tensor] : tower->named_parameters())
    tensors.emplace_back("vision_tower." + name, at::zeros(tensor->sizes(), at::kBFloat16));
  write_safetensors(file, tensors);
}

TEST(MedSiglip, IsKnownByItsGrid) {
  const TempFolder scratch("medsiglip");
  write_tower(scratch / "model.safetensors", 32);
  const auto part = open_vision(scratch / "model.safetensors");
  EXPECT_EQ(part.options.tower.name(), "medsiglip");
  EXPECT_EQ(part.options.tower.as<SiglipOptions>().image_size, 448);
  EXPECT_EQ(part.preprocess.mode, VisionFit::kSquare);
  EXPECT_THAT(part.preprocess.mean, ::testing::Each(0.5));

  write_tower(scratch / "model.safetensors", 27);
  EXPECT_EQ(open_vision(scratch / "model.safetensors").options.tower.name(), "siglip");
}

TEST(MedSiglip, IsWrittenOnlyWhereItIsChosen) {
  VisionOptions options;
  EXPECT_FALSE(write_options(options).contains("medsiglip"));
  read_options(nlohmann::json{{"tower", "medsiglip"}}, options);
  EXPECT_EQ(options.tower.as<SiglipOptions>().image_size, 448);
  EXPECT_EQ(write_options(options).at("medsiglip").at("image_size"), 448);
  EXPECT_EQ(write_options(options).at("siglip").at("image_size"), 384);
}

}  // namespace
}  // namespace medseg
