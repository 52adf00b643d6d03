// What data/README.md shows under "Your own 50 images in 15 minutes", run as it stands there.
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "support/page_blocks.h"
#include "support/temp_folder.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class GuideIntegration : public ::testing::Test {
 protected:
  GuideIntegration() {
    fs::create_directory(folder_ / "bin");
    fs::create_symlink(MEDSEG_BINARY, folder_ / "bin" / "medseg");
  }

  /// What a bash script prints, errors too; an exit code other than 0 fails the test.
  std::string run(const std::string& script) {
    write_file(folder_ / "script.sh", script);
    const std::string command = str_cat("cd '", folder_.path().string(),
                                        "' && PATH=\"$PWD/bin:$PATH\" bash -e script.sh 2>&1");
    std::string out;
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      out.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    EXPECT_EQ(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0) << script << out;
    return out;
  }

  TempFolder folder_{"guide"};
};

TEST_F(GuideIntegration, EveryCommandWorksAsPrinted) {
  const auto blocks = blocks_under("data/README.md", "Your own 50 images in 15 minutes");
  ASSERT_EQ(blocks.size(), 7U);
  const std::string page = read_file(fs::path(MEDSEG_SOURCE_DIR) / "data/README.md");
  EXPECT_THAT(page, HasSubstr(trim(run(blocks[0]))));  // the output that the page shows
  EXPECT_THAT(page, HasSubstr(trim(run(blocks[1]))));
  EXPECT_THAT(run(blocks[2]), HasSubstr("no faults"));
  EXPECT_TRUE(fs::exists(folder_ / "mine/stats.html"));
  save_tiny_bundle(tiny_bundle(), folder_ / "runs/demo-start");
  // Two steps instead of hundreds; all else is the page's.
  std::string train = blocks[3];
  const std::string command = "medseg train mine.json --out runs/mine";
  ASSERT_NE(train.find(command), std::string::npos) << train;
  train.replace(train.find(command), command.size(),
                command +
                    " --set train.steps=2 --set train.schedule.warmup_steps=0 "
                    "--set train.evaluate_limit=2");
  run(train);
  EXPECT_THAT(run(blocks[4]), HasSubstr("mean training mask"));
  run(blocks[5]);
  EXPECT_TRUE(fs::exists(folder_ / "answer/answer.json"));
  run(blocks[6]);
  EXPECT_TRUE(fs::exists(folder_ / "mine-coco/instances_test.json"));
}

TEST_F(GuideIntegration, ANewSetTrains) {
  EXPECT_THAT(run("medseg data new my-data"), HasSubstr("case-2: masks as run lengths"));
  EXPECT_THAT(run("medseg data doctor my-data/manifest.jsonl"), ::testing::StrEq("no faults\n"));
  save_tiny_bundle(tiny_bundle(), folder_ / "runs/demo-start");
  run("medseg data fingerprint my-data/manifest.jsonl --memory 2 --out my.json && "
      "medseg config check my.json && medseg train my.json --out runs/my --set train.steps=2 "
      "--set train.schedule.warmup_steps=0");
  EXPECT_TRUE(fs::exists(folder_ / "runs/my/best/config.json"));
}

TEST_F(GuideIntegration, AFingerprintWithoutABundleSaysWhatItCouldNotMeasure) {
  run("medseg data new my-data");
  EXPECT_THAT(run("medseg data fingerprint my-data/manifest.jsonl --memory 2 --out my.json"),
              HasSubstr("note: there is no bundle runs/demo-start"));
  EXPECT_THAT(read_file(folder_ / "my.json"), HasSubstr("not measured, for want of the bundle"));
  run("medseg config check my.json");
}

TEST_F(GuideIntegration, ConvertNamesItsFormatsAndRefusesOthers) {
  const std::string list = run("medseg data convert --list");
  for (const char* name : {"pairs", "nnunet", "coco", "sa-med2d", "refuge"})
    EXPECT_THAT(list, HasSubstr(str_cat("\n", name, " ")));
  EXPECT_THAT(run("medseg data convert --from coc x --out y || test $? = 2"),
              HasSubstr("--from: unknown \"coc\" (did you mean \"coco\"?"));
  EXPECT_THAT(run("medseg data convert --from coco none --out y || test $? = 3"),
              HasSubstr("none: no such file or folder"));
}

}  // namespace
}  // namespace medseg
