// `medseg data stats --against` as a user runs it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/image/codec.h"
#include "support/run_cli.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class AgainstCommand : public TempFolderTest {
 protected:
  std::string manifest(const std::string& name, const std::string& image,
                       const std::string& subject, const std::string& split) const {
    const json record = {{"id", name},
                         {"image", image},
                         {"subject", subject},
                         {"split", split},
                         {"absent", {"effusion"}},
                         {"conversations",
                          {{{"from", "human"}, {"value", "<image>\nEffusion?"}},
                           {{"from", "gpt"}, {"value", "Not seen."}}}}};
    write_file(folder_ / (name + ".jsonl"), record.dump() + "\n");
    return (folder_ / (name + ".jsonl")).string();
  }
};

TEST_F(AgainstCommand, NamesWhatStandsInBoth) {
  Image image{40, 30, 1, {}};
  for (int i = 0; i < 40 * 30; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 7 % 251));
  write_png(folder_ / "a.png", image);
  write_png(folder_ / "copy.png", to_rgb(image));
  const auto test = manifest("test", "a.png", "Case 01", "test");
  const auto train = manifest("train", "copy.png", "case-1", "train");
  const auto text = run_words({"data", "stats", test, "--against", train});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_THAT(text.out, HasSubstr("patient: 1 of 1 patient\n"));
  EXPECT_THAT(text.out, HasSubstr("pixels a.png ("));
  EXPECT_THAT(text.out, HasSubstr(") = copy.png ("));
  const auto found =
      json::parse(run_words({"data", "stats", test, "--against", train, "--json"}).out);
  EXPECT_EQ(found["against"]["pixels"]["shared"], 1);
  EXPECT_EQ(found["against"]["near duplicate"]["shared"], 0) << "it is the same already";
  const auto itself = run_words({"data", "stats", test, "--against", test});
  EXPECT_EQ(itself.code, 2);
  EXPECT_THAT(itself.err, HasSubstr("--against-split"));
  EXPECT_EQ(run_words({"data", "stats", test, "--split", "test"}).code, 2);
  EXPECT_EQ(run_words({"data", "stats", test, "--against", (folder_ / "no.jsonl").string()}).code,
            3);
}

}  // namespace
}  // namespace medseg
