#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "medseg/base/file.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct Result {
  int code;
  std::string out, err;
};

Result tokenize(const std::string& arguments, const std::string& input) {
  const auto folder = fs::temp_directory_path() / "medseg-tokenize";
  fs::create_directories(folder);
  write_file(folder / "in", input);
  const auto file = [&](const char* name) { return (folder / name).string(); };
  const std::string command = std::string(MEDSEG_BINARY) + " tokenize " + arguments + " < " +
                              file("in") + " > " + file("out") + " 2> " + file("err");
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_file(file("out")), read_file(file("err"))};
}

const std::string kGolden = std::string(MEDSEG_SOURCE_DIR) + "/tests/golden/text/";

TEST(TokenizeIntegration, PrintsOneObjectALine) {
  const auto plain = tokenize("--tokenizer " + kGolden + "spm --mode hf_legacy", "\na [SEG] b\n");
  EXPECT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(
      plain.out,
      "{\"ids\":[1],\"decoded\":\"\"}\n{\"ids\":[1,271,562,280],\"decoded\":\"a [SEG] b\"}\n");
  const auto native =
      tokenize("--tokenizer " + kGolden + "spm/tokenizer.model --mode spm_native --json",
               "{\"text\": \"a\\nb\"}\n");
  EXPECT_EQ(native.code, 0) << native.err;
  EXPECT_NE(native.out.find("\"decoded\":\"a\\nb\""), std::string::npos) << native.out;
}

TEST(TokenizeIntegration, SaysWhatIsWrong) {
  const auto mode = tokenize("--tokenizer " + kGolden + "spm --mode legacy", "");
  EXPECT_EQ(mode.code, 2);
  const auto missing = tokenize("--tokenizer /nowhere", "");
  EXPECT_EQ(missing.code, 3);
  EXPECT_EQ(missing.err, "medseg: /nowhere: no such file or folder\n");
  const auto line =
      tokenize("--tokenizer " + kGolden + "bpe/gpt2 --json", "{\"text\": \"a\"}\nplain\n");
  EXPECT_EQ(line.code, 3);
  EXPECT_EQ(line.err, "medseg: stdin:2: expected {\"text\": …}, got plain\n");
}

}  // namespace
}  // namespace medseg
