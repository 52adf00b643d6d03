#include "medseg/dataset/contamination.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/random.h"
#include "medseg/image/codec.h"
#include "medseg/image/resize.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

Image scene(std::uint64_t seed) {
  RandomStream random(seed, "scene");
  Image small{16, 12, 1, {}};
  for (int i = 0; i < 16 * 12; ++i)
    small.pixels.push_back(static_cast<std::uint8_t>(20 + random.below(216)));
  return resize(small, 128, 96, Filter::kBicubic);
}

class ContaminationTest : public TempFolderTest {
 protected:
  struct Line {
    std::string id, image, subject, split = "test";
  };

  Manifest manifest(const std::string& name, const std::vector<Line>& lines) const {
    std::string text;
    for (const auto& line : lines) {
      text += nlohmann::json{{"id", line.id},
                             {"image", line.image},
                             {"subject", line.subject},
                             {"modality", "ct"},
                             {"split", line.split},
                             {"conversations",
                              {{{"from", "human"}, {"value", "<image>\nWhat is seen?"}},
                               {{"from", "gpt"}, {"value", "Nothing."}}}}}
                  .dump() +
              "\n";
    }
    write_file(folder_ / name, text);
    return Manifest::read(folder_ / name);
  }
};

TEST_F(ContaminationTest, FindsPatientsPixelsAndNearDuplicates) {
  write_png(folder_ / "a.png", scene(1));
  write_png(folder_ / "b.png", scene(2));
  write_png(folder_ / "c.png", scene(3));
  write_png(folder_ / "same.png", to_rgb(scene(1)));  // the same pixels in three channels
  write_png(folder_ / "scaled.png", resize(scene(2), 90, 70, Filter::kBilinear));
  write_png(folder_ / "other.png", scene(9));
  const auto test = manifest("test.jsonl", {{"t1", "a.png", "Patient 007"},
                                            {"t2", "b.png", "p2"},
                                            {"t2-again", "b.png", "p2"},
                                            {"t3", "c.png", "p3"}});
  const auto train = manifest("train.jsonl", {{"r1", "same.png", "x1", "train"},
                                              {"r2", "scaled.png", "x2", "train"},
                                              {"r3", "other.png", "patient_7", "train"}});
  const auto found = find_contamination({&test, ""}, {{&train, ""}});
  EXPECT_EQ(found.all.at(SharedKind::kPatient), 3);
  EXPECT_EQ(found.shared.at(SharedKind::kPatient), 1);
  EXPECT_EQ(found.all.at(SharedKind::kPixels), 3) << "a picture asked about twice is one";
  EXPECT_EQ(found.shared.at(SharedKind::kPixels), 1);
  EXPECT_EQ(found.shared.at(SharedKind::kNearDuplicate), 1);
  ASSERT_EQ(found.pairs.size(), 3U);
  EXPECT_EQ(found.pairs[0].test, "Patient 007");
  EXPECT_EQ(found.pairs[0].other, "patient_7");
  EXPECT_EQ(found.pairs[1].test, "a.png");
  EXPECT_EQ(found.pairs[1].other, "same.png");
  EXPECT_THAT(found.pairs[1].other_place, HasSubstr("train.jsonl:1"));
  EXPECT_EQ(found.pairs[2].other, "scaled.png");
  const std::string text = contamination_text(found);
  EXPECT_THAT(text, HasSubstr("patient: 1 of 3 patients"));
  EXPECT_THAT(text, HasSubstr("pixels: 1 of 3 pictures"));
  EXPECT_THAT(text, HasSubstr("near duplicate b.png"));
  const auto json = contamination_json(found);
  EXPECT_EQ(json["pixels"]["shared"], 1);
  EXPECT_EQ(json["pairs"].size(), 3U);
}

TEST_F(ContaminationTest, SeparateDataShareNothing) {
  write_png(folder_ / "a.png", scene(1));
  write_png(folder_ / "b.png", scene(2));
  const auto test = manifest("test.jsonl", {{"t", "a.png", "p1"}});
  const auto train = manifest("train.jsonl", {{"r", "b.png", "p11", "train"}});
  const auto found = find_contamination({&test, "test"}, {{&train, "train"}});
  EXPECT_TRUE(found.pairs.empty());
  EXPECT_THAT(
      [&] {
        find_contamination({&test, "val"}, {{&train, ""}});
      },
      ThrowsMessage<DataError>(HasSubstr("no record in split \"val\"")));
}

TEST_F(ContaminationTest, ARunsHashesTellHowMuchOfATestWasTrainedOn) {
  write_png(folder_ / "a.png", scene(1));
  write_png(folder_ / "b.png", scene(2));
  const auto test = manifest("test.jsonl", {{"t1", "a.png", "p1"}, {"t2", "b.png", "p2"}});
  const auto train = manifest("train.jsonl", {{"r", "b.png", "P-02", "train"}});
  std::int64_t unread = 0;
  auto trained = hashes_of({&train, "train"}, unread);
  trained.merge(hashes_of({&train, "train"}, unread));
  EXPECT_EQ(unread, 0);
  write_trained_on(folder_ / "trained_on.json", trained);
  const auto seen = seen_in_training({&test, "test"}, read_trained_on(folder_ / "trained_on.json"));
  EXPECT_TRUE(seen.known);
  EXPECT_EQ(leakage_statement(seen), "1 of 2 test pictures and 1 of 2 patients were trained on");
  EXPECT_EQ(leakage_json(seen)["seen_pictures"], 1);
  EXPECT_EQ(read_file(folder_ / "trained_on.json").find("p1"), std::string::npos)
      << "no name of a patient";
  const auto unknown = seen_in_training({&test, "test"}, std::nullopt);
  EXPECT_FALSE(unknown.known);
  EXPECT_THAT(leakage_statement(unknown), HasSubstr("unknown"));
}

TEST_F(ContaminationTest, AnotherFileIsNoListOfHashes) {
  const auto refused = [&](const std::string& text, const std::string& what) {
    write_file(folder_ / "t.json", text);
    EXPECT_THAT([&] { read_trained_on(folder_ / "t.json"); },
                ThrowsMessage<DataError>(HasSubstr(what)));
  };
  refused("[]", "not hashes of training data");
  refused("{\"format\": \"medseg-trained-on-1\"}", "patients: expected a list of hashes");
  refused("{\"format\": \"medseg-trained-on-1\", \"patients\": [1]}", "patients: expected texts");
  refused("{", "t.json");
}

}  // namespace
}  // namespace medseg
