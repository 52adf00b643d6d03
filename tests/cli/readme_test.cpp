// What README.md prints under "Your own data", run as it stands there.
#include <array>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "support/page_blocks.h"
#include "support/temp_folder.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class ReadmeIntegration : public ::testing::Test {
 protected:
  ReadmeIntegration() : blocks_(blocks_under("README.md", "Your own data")) {
    fs::create_directory(folder_ / "bin");
    fs::create_symlink(MEDSEG_BINARY, folder_ / "bin" / "medseg");
    for (const char* name : {"case-1", "case-2"}) write_images(name);
  }

  /// The files that the record names, 64 pixels each way.
  void write_images(const std::string& name) {
    constexpr int size = 64;
    Image image{size, size, 1, std::vector<std::uint8_t>(size * size, name == "case-1" ? 40 : 90)};
    Image labels = image;
    Mask liver(size, size);
    for (int y = 10; y < 30; ++y) {
      for (int x = 10; x < 30; ++x) {
        const auto at = static_cast<std::size_t>(y * size + x);
        image.pixels[at] = 200;
        liver.pixels[at] = 1;
        labels.pixels[at + 30] = 3;
      }
    }
    write_png(folder_ / ("images/" + name + ".png"), image);
    write_png(folder_ / ("masks/" + name + "-liver.png"), liver);
    write_png(folder_ / ("masks/" + name + "-labels.png"), labels);
  }

  /// Exit code of a bash script in the folder; what it printed, errors too, in `out_`.
  int run(const std::string& script) {
    write_file(folder_ / "script.sh", script);
    const std::string command = str_cat("cd '", folder_.path().string(),
                                        "' && PATH=\"$PWD/bin:$PATH\" bash -e script.sh 2>&1");
    out_.clear();
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
      out_.append(buffer.data(), n);
    const int status = ::pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  /// A second record, of another person, for the split that the config validates on.
  void add_validation_record() {
    std::string line = read_file(folder_ / "manifest.jsonl");
    const std::string first = line;
    for (const auto& [from, to] :
         {std::pair{"case-1", "case-2"}, {"person-1", "person-2"}, {"\"train\"", "\"val\""}}) {
      for (auto at = line.find(from); at != std::string::npos; at = line.find(from))
        line.replace(at, std::string(from).size(), to);
    }
    write_file(folder_ / "manifest.jsonl", first + line);
  }

  TempFolder folder_{"readme"};
  std::vector<std::string> blocks_;
  std::string out_;
};

TEST_F(ReadmeIntegration, RecordAndConfigWorkAsPrinted) {
  ASSERT_EQ(blocks_.size(), 3U) << "a record, a config, and what is done with them";
  ASSERT_EQ(run(blocks_[0]), 0) << out_;
  ASSERT_EQ(run(blocks_[1]), 0) << out_;
  add_validation_record();
  save_tiny_bundle(tiny_bundle(), folder_ / "runs/demo-start");
  // One step instead of hundreds; all else is the page's.
  std::string commands = blocks_[2];
  const std::string train = "medseg train train.json --out runs/mine";
  ASSERT_NE(commands.find(train), std::string::npos) << commands;
  commands.replace(commands.find(train), train.size(),
                   train + " --set train.steps=1 --set train.schedule.warmup_steps=0");
  EXPECT_EQ(run(commands), 0) << out_;
  EXPECT_NE(out_.find("no faults"), std::string::npos) << out_;
  EXPECT_TRUE(fs::exists(folder_ / "runs/mine/best/config.json")) << out_;
  EXPECT_TRUE(fs::exists(folder_ / "runs/mine/run.html"));
}

TEST_F(ReadmeIntegration, DoctorFindsWhatTheRecordGetsWrong) {
  ASSERT_EQ(blocks_.size(), 3U);
  ASSERT_EQ(run(blocks_[0]), 0) << out_;
  fs::remove(folder_ / "masks/case-1-labels.png");
  EXPECT_EQ(run("medseg data doctor manifest.jsonl"), 3);
  EXPECT_NE(out_.find("manifest.jsonl:1: masks.m1: "), std::string::npos) << out_;
}

}  // namespace
}  // namespace medseg
