// `medseg model …` as a user runs it.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "support/run_cli.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

Outcome run(std::vector<std::string> words) {
  words.insert(words.begin(), "model");
  return run_words(std::move(words));
}

std::string golden(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/weights/", name);
}

class ModelCommand : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  void expect_refused(const std::vector<std::string>& words) {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.code, 4) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
    EXPECT_FALSE(fs::exists(out_));
    for (const auto& entry : fs::directory_iterator(folder_)) {
      EXPECT_FALSE(entry.path().filename().string().starts_with(".")) << entry.path();
    }
  }

  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-model-command-", ::getpid());
  fs::path out_ = folder_ / "bundle";
};

TEST_F(ModelCommand, AnErrorIsOneLineWhateverAFileCallsItsTensors) {
  const std::string header =
      R"({"a\n\u001b[31m": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})";
  std::uint64_t length = header.size();
  const auto file = folder_ / "file";
  write_file(file, std::string(reinterpret_cast<const char*>(&length), sizeof length) + header +
                       std::string(4, '\0'));
  const auto outcome = run({"inspect", file.string()});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.err, str_cat("medseg: ", file.string(),
                                 ": a\\n\\x1b[31m: shape needs 8 bytes, data_offsets hold 4\n"));
}

TEST_F(ModelCommand, WrongUsageIsOneLineToo) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"inspect"}, {"inspect", "--colour", "red"}}) {
    const auto outcome = run(words);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(ModelCommand, InspectTellsTensorsOfEveryFormat) {
  for (const char* name : {"ordered.pth", "state.safetensors", "quants.gguf", "matmul.onnx"}) {
    const auto outcome = run({"inspect", golden(name), "--json"});
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.out);
    EXPECT_FALSE(json.at("tensors").empty()) << name;
    EXPECT_TRUE(json.at("tensors").at(0).contains("dtype"));
    EXPECT_EQ(run({"inspect", golden(name)}).code, 0);
  }
}

TEST_F(ModelCommand, InspectRefusesWhatIsNoWeights) {
  write_file(folder_ / "notes.txt", "hello");
  expect_refused({"inspect", (folder_ / "notes.txt").string()});
  expect_refused({"inspect", (folder_ / "missing.gguf").string()});
  expect_refused({"audit", (folder_ / "no-bundle").string()});
}

TEST_F(ModelCommand, ImportOfUnfitPartsLeavesNothingBehind) {
  const auto out = out_.string();
  // A GGUF that is not a language model, a state dict without vocabulary, and neither of both.
  expect_refused({"import", "parts", golden("quants.gguf"), "--out", out});
  expect_refused({"import", "parts", golden("ordered.pth"), "--out", out});
  expect_refused({"import", "parts", (folder_ / "missing.gguf").string(), "--out", out});
}

TEST_F(ModelCommand, ImportKeepsMatricesInTheDtypeThatIsAskedFor) {
  const std::string qwen2 = str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/language/qwen2_tiny");
  const auto out = out_.string();
  ASSERT_EQ(run({"import", "parts", qwen2, "--dtype", "bf16", "--out", out}).code, 0);
  EXPECT_EQ(run({"audit", out}).code, 0);
  const auto inspected = run({"inspect", out + "/model.safetensors", "--json"});
  for (const auto& tensor : nlohmann::json::parse(inspected.out).at("tensors")) {
    EXPECT_EQ(tensor.at("dtype"), tensor.at("shape").size() == 2 ? "BF16" : "F32") << tensor;
  }
}

TEST_F(ModelCommand, ImportMakesNoBundleThatCouldNotBeOpened) {
  const auto folder = folder_ / "endless";  // no file in it names the token that ends an answer
  fs::copy(str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/language/qwen2_tiny"), folder);
  fs::remove(folder / "tokenizer_config.json");
  expect_refused({"import", "parts", folder.string(), "--out", out_.string()});
}

TEST_F(ModelCommand, ImportNamesAnUnknownOption) {
  const auto outcome = run(
      {"import", "parts", golden("quants.gguf"), "--projector", "linaer", "--out", out_.string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("did you mean \"linear\"?"), std::string::npos) << outcome.err;
}

std::string layout(const std::string& name) {
  return str_cat(MEDSEG_SOURCE_DIR, "/tests/golden/layouts/", name);
}

TEST_F(ModelCommand, APublishedModelComesInIsAuditedAndGoesOut) {
  const auto in =
      run({"import", "glamm", layout("glamm"), "--vision", layout("clip"), "--out", out_.string()});
  ASSERT_EQ(in.code, 0) << in.err;
  EXPECT_EQ(in.out, out_.string() + "\n");
  EXPECT_EQ(run({"audit", out_.string()}).code, 0);
  for (const char* name : {"hf-llava", "glamm", "sam"}) {
    const auto folder = folder_ / name;
    const auto out = run({"export", out_.string(), "--layout", name, "--out", folder.string()});
    EXPECT_EQ(out.code, 0) << out.err;
    EXPECT_TRUE(fs::exists(folder / "config.json")) << name;
  }
}

TEST_F(ModelCommand, AFaultOfAPublishedModelIsOneLineAndLeavesNothing) {
  const auto out = out_.string();
  expect_refused({"import", "lisa", layout("glamm"), "--vision", layout("clip"), "--out", out});
  expect_refused({"import", "llava", layout("lisa"), "--vision", layout("clip"), "--out", out});
  expect_refused({"import", "lisa", layout("clip"), "--vision", layout("clip"), "--out", out});
  expect_refused({"import", "lisa", layout("missing"), "--vision", layout("clip"), "--out", out});
  expect_refused({"import", "lisa", layout("lisa"), "--vision", layout("missing"), "--out", out});
  expect_refused({"import", "lisa", layout("lisa"), "--vision", layout("clip"), "--adapter",
                  layout("lisa"), "--out", out});
  expect_refused({"export", layout("lisa"), "--layout", "lisa", "--out", out});
}

TEST_F(ModelCommand, OnlyABundleIsReplaced) {
  const std::vector<std::string> import = {"import",       "lisa",  layout("lisa"), "--vision",
                                           layout("clip"), "--out", out_.string()};
  ASSERT_EQ(run(import).code, 0);
  EXPECT_EQ(run(import).code, 0);  // a bundle replaces a bundle
  const auto before = read_file(out_ / "model.safetensors");
  // An export into the bundle's own folder would delete the bundle.
  const auto onto = run({"export", out_.string(), "--layout", "lisa", "--out", out_.string()});
  EXPECT_EQ(onto.code, 3);
  EXPECT_NE(onto.err.find("expected a new or empty folder"), std::string::npos) << onto.err;
  EXPECT_EQ(read_file(out_ / "model.safetensors"), before);

  write_file(out_ / "training.safetensors", "hours");  // a run's checkpoint has more than a bundle
  EXPECT_EQ(run(import).code, 3);
  EXPECT_EQ(read_file(out_ / "training.safetensors"), "hours");

  // The source itself, whose file names are also a bundle's.
  const auto published = folder_ / "LISA-7B-v1";
  fs::create_directories(published);
  write_file(published / "config.json", "{}");
  EXPECT_EQ(run({"import", "lisa", layout("lisa"), "--vision", layout("clip"), "--out",
                 published.string()})
                .code,
            3);
  EXPECT_EQ(read_file(published / "config.json"), "{}");
}

TEST_F(ModelCommand, WhoForgetsTheTowerIsToldItsName) {
  const auto outcome = run({"import", "lisa", layout("lisa"), "--out", out_.string()});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.err.find("openai/clip-vit-large-patch14"), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace medseg
