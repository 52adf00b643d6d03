#include "medseg/evaluation/replay_predictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/image/codec.h"
#include "medseg/metrics/protocols.h"
#include "support/temp_folder_fixture.h"
#include "support/write_nifti.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr int kWidth = 6, kHeight = 4, kDepth = 5;

class ReplayPredictions : public TempFolderTest {
 protected:
  static json record(const std::string& id, const std::string& image, const json& masks,
                     const std::string& asked) {
    return {{"id", id},
            {"image", image},
            {"modality", "ct"},
            {"split", "test"},
            {"subject", "p1"},
            {"masks", masks},
            {"conversations",
             {{{"from", "human"}, {"value", "<image>\nWhat is seen?"}},
              {{"from", "gpt"}, {"value", "A <p> lesion </p> [SEG]."}, {"masks", {asked}}}}}};
  }

  Manifest manifest(const std::vector<json>& records) const {
    std::string text;
    for (const auto& one : records) text += one.dump() + "\n";
    write_file(folder_ / "manifest.jsonl", text);
    return Manifest::read(folder_ / "manifest.jsonl");
  }

  static Prediction drawn(const std::string& id, const Mask& mask) {
    Prediction prediction;
    prediction.id = id;
    prediction.masks.push_back({encode_rle(mask), 1, 1, 1});
    return prediction;
  }

  static double metric(const Replay& replay, const std::string& protocol, const std::string& name) {
    for (const auto& [metric, value] : score_by(protocol_named(protocol), replay).metrics) {
      if (metric == name) return value;
    }
    return -1;
  }

  // Of the i-th voxel (x fastest) 1 where it is in `set`.
  void volume(const std::string& name, const std::vector<std::array<int, 3>>& set,
              std::array<int, 3> size = {kWidth, kHeight, kDepth}) const {
    std::vector<std::uint8_t> voxels(static_cast<std::size_t>(size[0] * size[1] * size[2]));
    for (const auto& [x, y, z] : set)
      voxels[static_cast<std::size_t>((z * size[1] + y) * size[0] + x)] = 1;
    write_nifti(folder_ / name, size, {0.5F, 2.0F, 3.0F}, voxels);
  }

  static json slice(const std::string& id, int index) {
    json one = record(id, "ct.nii", {{"m", {{"label", "lesion"}, {"file", "label.nii"}}}}, "m");
    one["slice"] = {{"axis", 2}, {"index", index}};
    return one;
  }
};

TEST_F(ReplayPredictions, AnIgnoredValueCountsNeitherWayUnderEveryProtocol) {
  // Lesion 1 in two pixels, a ring of 255 beside it; the answer draws both.
  Image label{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 0)};
  label.pixels[7] = label.pixels[8] = 1;
  label.pixels[9] = label.pixels[10] = 255;
  write_png(folder_ / "label.png", label);
  write_png(folder_ / "image.png",
            Image{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 90)});
  Mask answer(kWidth, kHeight);
  for (const std::size_t i : {7U, 8U, 9U, 10U}) answer.pixels[i] = 1;
  const auto scored = [&](const json& mask, const std::string& protocol, const std::string& name) {
    const auto data = manifest({record("a", "image.png", {{"m", mask}}, "m")});
    return metric(Replay(replay_predictions({drawn("a", answer)}, data, "test", false, folder_)),
                  protocol, name);
  };
  const json plain = {{"label", "lesion"}, {"file", "label.png"}, {"value", 1}};
  json ignoring = plain;
  ignoring["ignore"] = 255;
  EXPECT_NEAR(scored(plain, "strict", "iou"), 0.5, 1e-12);
  for (const auto& [protocol, name] :
       std::vector<std::pair<std::string, std::string>>{{"lisa", "giou"},
                                                        {"glamm", "giou"},
                                                        {"glamm-gcg", "miou"},
                                                        {"pixellm", "muse_giou"},
                                                        {"sa2va", "giou"},
                                                        {"unibiomed", "mean_iou"},
                                                        {"biomedparse", "miou"},
                                                        {"nnunet", "iou"},
                                                        {"monai", "dice_ignore_empty"},
                                                        {"medsam2", "dsc"},
                                                        {"strict", "iou"}})
    EXPECT_NEAR(scored(ignoring, protocol, name), 1, 1e-5) << protocol;
  json any = {{"label", "lesion"}, {"file", "label.png"}, {"ignore", 255}};
  EXPECT_EQ(scored(any, "strict", "iou"), 1) << "every value but 0 and 255";
}

TEST_F(ReplayPredictions, SlicesOfAVolumeHaveItsSpacing) {
  volume("ct.nii", {{0, 0, 0}});
  volume("label.nii", {{2, 1, 1}, {2, 1, 3}});
  const auto data = manifest({slice("s1", 1), slice("s3", 3)});
  Mask in_3(kWidth, kHeight);
  const Mask shown =
      load_mask(data, data.records()[1], {"m"}, kWidth, kHeight);  // however it is turned
  const Replay replay(
      replay_predictions({drawn("s1", in_3), drawn("s3", shown)}, data, "test", false, folder_));
  const auto& turn = replay.turns()[0];
  ASSERT_TRUE(turn.spacing.has_value());
  EXPECT_EQ((*turn.spacing)[0], 3);    // between slices
  EXPECT_EQ((*turn.spacing)[1], 2);    // rows
  EXPECT_EQ((*turn.spacing)[2], 0.5);  // columns
  EXPECT_EQ(metric(replay, "strict", "volume_dice"), 2.0 / 3);
  // The voxel of slice 1 is missed: 2 slices of 3 mm away from what was drawn.
  EXPECT_NEAR(metric(replay, "strict", "volume_hd95_monai"), 0.95 * 6, 1e-9);
}

TEST_F(ReplayPredictions, MasksOfAFolderMayBeNiftiByTheVolumesName) {
  volume("ct.nii", {{0, 0, 0}});
  volume("label.nii", {{2, 1, 1}, {4, 3, 3}});
  std::filesystem::create_directories(folder_ / "masks");
  volume("masks/ct-lesion.nii", {{2, 1, 1}});
  const auto data = manifest({slice("s1", 1), slice("s3", 3)});
  const auto made = predictions_of_masks(folder_ / "masks", data, "test");
  const Replay replay(replay_predictions(made, data, "test", false, folder_));
  EXPECT_EQ(metric(replay, "strict", "dice"), 0.5);
  volume("masks/s3.nii", {{4, 3, 3}});  // a record's own file goes first
  const auto better = predictions_of_masks(folder_ / "masks", data, "test");
  EXPECT_EQ(metric(Replay(replay_predictions(better, data, "test", false, folder_)), "strict",
                   "volume_dice"),
            1);
  volume("masks/s1.nii", {}, {kWidth, kHeight, 2});
  EXPECT_THAT([&] { predictions_of_masks(folder_ / "masks", data, "test"); },
              ThrowsMessage<DataError>(HasSubstr("another grid")));
}

TEST_F(ReplayPredictions, AFailedRecordThatCannotBeReadIsMissed) {
  write_file(folder_ / "image.png", "no image");
  write_png(folder_ / "m.png", Mask(kWidth, kHeight));
  const auto data =
      manifest({record("a", "image.png", {{"m", {{"label", "lesion"}, {"file", "m.png"}}}}, "m")});
  Prediction failed;
  failed.id = "a";
  failed.failed = true;
  const Replay replay(replay_predictions({failed}, data, "test", false, folder_));
  EXPECT_EQ(metric(replay, "strict", "dice"), 0);
  EXPECT_EQ(score_by(protocol_named("strict"), replay).failed, 1);
  failed.failed = false;
  EXPECT_THROW(replay_predictions({failed}, data, "test", false, folder_), DataError);
}

TEST_F(ReplayPredictions, AFlatNiftiIsTheMaskOfAPicture) {
  Mask truth(kWidth, kHeight);
  truth.pixels[static_cast<std::size_t>(1 * kWidth + 4)] = 1;
  write_png(folder_ / "m.png", truth);
  write_png(folder_ / "image.png",
            Image{kWidth, kHeight, 1, std::vector<std::uint8_t>(kWidth * kHeight, 90)});
  const auto data =
      manifest({record("a", "image.png", {{"m", {{"label", "lesion"}, {"file", "m.png"}}}}, "m")});
  std::filesystem::create_directories(folder_ / "masks");
  volume("masks/a.nii", {{4, 1, 0}}, {kWidth, kHeight, 1});
  const auto made = predictions_of_masks(folder_ / "masks", data, "test");
  EXPECT_EQ(decode_rle(made.at(0).masks.at(0).rle), truth);
  volume("masks/a.nii", {}, {kHeight, kWidth, 1});
  EXPECT_THAT([&] { predictions_of_masks(folder_ / "masks", data, "test"); },
              ThrowsMessage<DataError>(HasSubstr("expected 6 x 4 x 1, as the picture")));
}

}  // namespace
}  // namespace medseg
