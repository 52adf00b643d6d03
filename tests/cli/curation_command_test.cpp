// data annotate and data review as a user meets them.
#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/dataset/manifest.h"
#include "medseg/image/codec.h"
#include "support/run_cli.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;

class CurationCommand : public TempFolderTest {
 protected:
  void SetUp() override {
    Image image{.width = 60, .height = 60, .channels = 1, .pixels = {}};
    for (int i = 0; i < 3600; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i % 251));
    Mask mask(60, 60);
    for (std::size_t i = 700; i < 900; ++i) mask.pixels[i] = 1;
    write_png(folder_ / "a.png", image);
    write_png(folder_ / "mask.png", mask);
    write_file(manifest(), R"({"id":"a","image":"a.png","modality":"ct","split":"train",)"
                           R"("masks":{"m0":{"label":"skull","file":"mask.png"}},)"
                           R"("conversations":[{"from":"human","value":"<image>\nWhat is it?"}]})"
                           "\n");
  }
  std::filesystem::path manifest() const { return folder_ / "manifest.jsonl"; }
  Outcome annotate(std::vector<std::string> more) {
    std::vector<std::string> words = {"data",
                                      "annotate",
                                      manifest().string(),
                                      "--out",
                                      (folder_ / "qa").string(),
                                      "--prompts",
                                      std::string(MEDSEG_SOURCE_DIR) + "/configs/annotate"};
    words.insert(words.end(), more.begin(), more.end());
    return run_words(words);
  }
};

TEST_F(CurationCommand, TemplatesWriteASet) {
  const Outcome done = annotate({"--templates"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("1 image-mask pairs of 1 pictures"));
  EXPECT_THAT(done.err, HasSubstr("their left is taken for the patient's right"));
  EXPECT_EQ(run_words({"data", "doctor", (folder_ / "qa/manifest.jsonl").string()}).code, 0);
}

TEST_F(CurationCommand, OptionsThatDoNotApplyAreErrors) {
  EXPECT_EQ(annotate({}).code, 2);
  EXPECT_EQ(annotate({"--templates", "--endpoint", "https://host/v1"}).code, 2);
  const Outcome model = annotate({"--templates", "--model", "m"});
  EXPECT_EQ(model.code, 2);
  EXPECT_THAT(model.err, HasSubstr("--model: belongs to --endpoint"));
  EXPECT_EQ(annotate({"--endpoint", "http://elsewhere/v1", "--model", "m"}).code, 2);
  EXPECT_EQ(annotate({"--endpoint", "https://host/v1"}).code, 2);  // no model
  ::unsetenv("MEDSEG_NO_SUCH_KEY");
  const Outcome key = annotate(
      {"--endpoint", "https://host/v1", "--model", "m", "--key-env", "MEDSEG_NO_SUCH_KEY"});
  EXPECT_EQ(key.code, 2);
  EXPECT_THAT(key.err, HasSubstr("the environment has no MEDSEG_NO_SUCH_KEY"));
}

TEST_F(CurationCommand, ReviewSaysWhatIsMissing) {
  EXPECT_EQ(run_words({"data", "review"}).code, 2);
  const std::string store = (folder_ / "store.sqlite").string();
  const Outcome none = run_words({"data", "review", "--export", "--store", store, "--out", "x"});
  EXPECT_EQ(none.code, 3);
  EXPECT_THAT(none.err, HasSubstr("no such file"));
  EXPECT_EQ(run_words({"data", "review", manifest().string(), "--store", store}).code, 2);
}

}  // namespace
}  // namespace medseg
