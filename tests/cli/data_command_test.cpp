// data doctor and data stats as a user runs them.
#include <array>
#include <cstdio>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/image/codec.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class DataCommandIntegration : public testing::Test {
 protected:
  DataCommandIntegration()
      : folder_(fs::temp_directory_path() / ("data-" + std::to_string(getpid()))) {
    Mask mask(4, 4);
    mask.pixels[5] = 1;
    write_png(folder_ / "mask.png", mask);
    write_png(folder_ / "a.png",
              Image{4, 4, 1, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}});
    write_file(folder_ / "manifest.jsonl",
               R"({"id":"a","image":"a.png","split":"train",)"
               R"("masks":{"m0":{"label":"skull","file":"mask.png"}},)"
               R"("conversations":[{"from":"human","value":"<image>\nq"},)"
               R"({"from":"gpt","value":"<p> skull </p> [SEG]","masks":["m0"]}]})"
               "\n");
  }
  ~DataCommandIntegration() override { fs::remove_all(folder_); }

  /// Exit code; standard output in `out_`.
  int run(const std::string& arguments) {
    const std::string command =
        std::string(MEDSEG_BINARY) + " data " + arguments + " 2>" + (folder_ / "errors").string();
    out_.clear();
    FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 4096> buffer;
    for (std::size_t n; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
      out_.append(buffer.data(), n);
    }
    return WEXITSTATUS(::pclose(pipe));
  }
  std::string manifest() const { return (folder_ / "manifest.jsonl").string(); }

  fs::path folder_;
  std::string out_;
};

TEST_F(DataCommandIntegration, DoctorIsSilentAboutSoundDataAndExitsThreeOnFaults) {
  EXPECT_EQ(run("doctor " + manifest()), 0);
  EXPECT_EQ(out_, "no faults\n");
  fs::remove(folder_ / "mask.png");
  EXPECT_EQ(run("doctor " + manifest()), 3);
  EXPECT_TRUE(out_.starts_with(manifest() + ":1: masks.m0: ")) << out_;
  EXPECT_EQ(read_file(folder_ / "errors"), "medseg: data doctor: 1 fault\n");
  EXPECT_EQ(run("doctor --json " + manifest()), 3);
  const auto faults = nlohmann::json::parse(out_).at("faults");
  ASSERT_EQ(faults.size(), 1U);
  EXPECT_EQ(faults[0].at("line"), 1);
  EXPECT_EQ(faults[0].at("kind"), "unreadable-mask");
}

TEST_F(DataCommandIntegration, StatsCount) {
  EXPECT_EQ(run("stats --json " + manifest()), 0);
  EXPECT_EQ(nlohmann::json::parse(out_).at("splits").at("train").at("pairs"), 1);
  EXPECT_EQ(run("stats " + manifest()), 0);
  EXPECT_NE(out_.find("image-mask pairs"), std::string::npos);
  EXPECT_EQ(run("stats " + manifest() + ".none"), 3);
  EXPECT_EQ(run("stats"), 2);
  const std::string tokenizer =
      " --tokenizer " MEDSEG_SOURCE_DIR "/tests/golden/text/bpe/gpt2/tokenizer.json ";
  const auto by = [&](const std::string& key) {
    return nlohmann::json::parse(out_).at("splits").at("train").at(key);
  };
  EXPECT_EQ(run("stats --json " + manifest()), 0);
  EXPECT_EQ(by("records_by_words"), nlohmann::json({{"0", 1}}));
  EXPECT_EQ(run("stats --json" + tokenizer + manifest()), 0);
  EXPECT_EQ(by("records_by_tokens"), nlohmann::json({{"0", 1}}));
  EXPECT_EQ(run("stats" + tokenizer + manifest()), 0);
  EXPECT_NE(out_.find("records by tokens from"), std::string::npos);
}

}  // namespace
}  // namespace medseg
