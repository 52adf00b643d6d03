#include <filesystem>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/name_map.h"
#include "medseg/weights/tensor_file.h"
#include "support/throws.h"
#include "support/weight_bytes.h"
#include "weights/refusal.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

fs::path golden(const std::string& name) {
  return fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/weights" / name;
}

double difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

class Scratch : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-weights-test-", ::getpid());
};

TEST(TensorFile, ReadsWhatTorchSavedInEveryForm) {
  const auto reference = open_tensor_file(golden("state.safetensors"));
  for (const char* name : {"ordered.pth", "nested.pth"}) {  // nested: {"model": {"module.a": …}}
    const auto file = open_tensor_file(golden(name));
    EXPECT_EQ(file->format(), "pickle");
    ASSERT_EQ(file->tensors().size(), reference->tensors().size()) << name;
    for (const auto& info : reference->tensors()) {
      const auto value = file->load(info.name);
      EXPECT_EQ(value.scalar_type(), reference->load(info.name).scalar_type()) << info.name;
      EXPECT_EQ(difference(value, reference->load(info.name)), 0) << name << " " << info.name;
    }
  }
  const auto parameter = open_tensor_file(golden("parameter.pth"));
  ASSERT_EQ(parameter->tensors().size(), 1U);
  EXPECT_EQ(difference(parameter->load("weight"), reference->load("a")), 0);
}

TEST(TensorFile, ReadsEveryTypeThatTorchStores) {
  const auto file = open_tensor_file(golden("kinds.pth"));
  const auto reference = open_tensor_file(golden("kinds.safetensors"));
  ASSERT_EQ(file->tensors().size(), 13U);
  ASSERT_EQ(file->tensors().size(), reference->tensors().size());
  for (const auto& info : reference->tensors()) {
    const auto value = file->load(info.name), expected = reference->load(info.name);
    EXPECT_EQ(value.scalar_type(), expected.scalar_type()) << info.name;
    EXPECT_TRUE(at::equal(value, expected)) << info.name;
  }
}

TEST(TensorFile, SkipsWhatTrainingScriptsKeepBesideTheWeights) {
  // Namespace, sets, counters, numpy's numbers, arrays and random states, an optimizer.
  const auto file = open_tensor_file(golden("trained.pth"));
  std::vector<std::string> names;
  for (const auto& info : file->tensors()) names.push_back(info.name);
  EXPECT_EQ(names, (std::vector<std::string>{"weight", "bias", "noted"}));
  const auto a = open_tensor_file(golden("state.safetensors"))->load("a");
  EXPECT_EQ(difference(file->load("weight"), a), 0);
  EXPECT_EQ(difference(file->load("bias"), a.select(1, 0)), 0);
  EXPECT_EQ(difference(file->load("noted"), a), 0);
}

TEST(TensorFile, OpensShardsThatTorchSaved) {
  const auto file = open_tensor_file(golden("sharded"));
  const auto reference = open_tensor_file(golden("state.safetensors"));
  EXPECT_EQ(file->format(), "pickle");
  ASSERT_EQ(file->tensors().size(), 4U);
  for (const auto& info : file->tensors())
    EXPECT_TRUE(at::equal(file->load(info.name), reference->load(info.name))) << info.name;
}

TEST(TensorFile, TellsHowToConvertTorchsOldFormat) {
  EXPECT_THAT(
      [] { open_tensor_file(golden("legacy.pth")); },
      ThrowsError<CheckpointError>(golden("legacy.pth").string(), "convert it once in Python"));
}

TEST(TensorFile, DequantisesToTheBitAsTheGgufPackage) {
  const auto file = open_tensor_file(golden("quants.gguf"));
  const auto reference = open_tensor_file(golden("quants.safetensors"));
  ASSERT_EQ(file->tensors().size(), reference->tensors().size());
  for (const auto& info : file->tensors()) {
    EXPECT_EQ(difference(file->load(info.name), reference->load(info.name)), 0) << info.name;
  }
  EXPECT_EQ(std::get<std::int64_t>(file->metadata().at("llama.block_count")), 1);
  EXPECT_EQ(std::get<bool>(file->metadata().at("yes")), true);
  EXPECT_EQ(std::get<std::vector<std::string>>(file->metadata().at("words")),
            (std::vector<std::string>{"a", "b"}));
}

TEST(TensorFile, LinksAnonymousOnnxWeightsToTheBiasTheyMeet) {
  const auto file = open_tensor_file(golden("matmul.onnx"));
  const auto reference = open_tensor_file(golden("matmul.safetensors"));
  EXPECT_EQ(difference(file->load("onnx::MatMul_7"), reference->load("weight")), 0);
  EXPECT_EQ(std::get<std::vector<std::string>>(file->metadata().at("graph.matmul_add")),
            (std::vector<std::string>{"onnx::MatMul_7", "backbone.fc.bias"}));
}

TEST_F(Scratch, WritesSafetensorsThatReadBack) {
  at::manual_seed(0);
  const auto a = at::randn({2, 3}), b = at::arange(5, at::kLong),
             c = at::randn({4, 2}).to(at::kBFloat16).t();
  write_safetensors(folder_ / "x.safetensors", {{"a", a}, {"b", b}, {"c", c}}, {{"format", "pt"}});
  const auto file = open_tensor_file(folder_ / "x.safetensors");
  EXPECT_EQ(difference(file->load("a"), a), 0);
  EXPECT_EQ(difference(file->load("b"), b), 0);
  EXPECT_EQ(difference(file->load("c"), c), 0);
  EXPECT_EQ(std::get<std::string>(file->metadata().at("format")), "pt");
}

TEST_F(Scratch, OpensShardsAsOneFileAndRefusesPathsThatLeaveTheFolder) {
  write_safetensors(folder_ / "one.safetensors", {{"a", at::ones({2})}});
  write_safetensors(folder_ / "two.safetensors", {{"b", at::zeros({3})}});
  const auto index = folder_ / "model.safetensors.index.json";
  write_file(index, R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})");
  const auto file = open_tensor_file(folder_);
  EXPECT_EQ(file->tensors().size(), 2U);
  EXPECT_EQ(file->load("a").sum().item<double>(), 2);
  write_file(index, R"({"weight_map": {"a": "../one.safetensors"}})");
  EXPECT_THROW(open_tensor_file(folder_), CheckpointError);
  write_file(index, R"({"weight_map": {"a": "two.safetensors"}})");
  EXPECT_THROW(open_tensor_file(folder_), CheckpointError);
  write_file(index, "{");
  EXPECT_THROW(open_tensor_file(folder_), CheckpointError);
}

TEST_F(Scratch, SurvivesEveryTruncationOfEveryFormat) {
  for (const char* name :
       {"ordered.pth", "nested.pth", "state.safetensors", "quants.gguf", "matmul.onnx"}) {
    const auto whole = read_file(golden(name));
    const auto step = std::max<std::size_t>(1, whole.size() / 60);
    for (std::size_t length = 0; length < whole.size(); length += step) {
      const auto refused = refusal(folder_ / "cut", whole.substr(0, length));
      if (std::string(name) != "matmul.onnx")
        EXPECT_NE(refused, "") << name << " cut to " << length;
    }
  }
}

TEST_F(Scratch, SurvivesBytesThatWereChanged) {
  for (const char* name : {"ordered.pth", "state.safetensors", "quants.gguf", "matmul.onnx"}) {
    const auto whole = read_file(golden(name));
    const auto reach = std::min<std::size_t>(whole.size(), 900);
    for (std::size_t at = 0; at < reach; at += 7) {
      for (const char value : {'\xff', '\0', '\x7f'}) {
        auto bytes = whole;
        bytes[at] = value;
        refusal(folder_ / "changed", bytes);
      }
    }
  }
}

TEST_F(Scratch, RefusesAPickleThatCallsAnything) {
  auto bytes = read_file(golden("ordered.pth"));
  const std::string honest = "ccollections\nOrderedDict\n";
  const auto at = bytes.find(honest);
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, honest.size(), "cposix\nsystem\n" + std::string(honest.size() - 14, 'N'));
  write_file(folder_ / "hostile.pth", bytes);
  EXPECT_THAT([&] { open_tensor_file(folder_ / "hostile.pth"); },
              ThrowsError<CheckpointError>(::testing::_, "posix.system"));
}

class Pair : public Module {
 public:
  Pair() {
    register_parameter("weight", weight, at::zeros({3, 4}));
    register_parameter("other", other, at::zeros({2}));
  }
  at::Tensor weight, other;
};

TEST(LoadInto, ReportsWhatBecameOfEveryTensor) {
  const auto file = open_tensor_file(golden("ordered.pth"));
  Pair module;
  auto report = load_into(module, *file, {{"weight", "a", {}}});
  EXPECT_EQ(report.loaded, std::vector<std::string>{"weight"});
  EXPECT_EQ(report.initialised, std::vector<std::string>{"other"});
  EXPECT_EQ(report.unused.size(), file->tensors().size() - 1);
  EXPECT_EQ(difference(module.weight, file->load("a")), 0);
  report = load_into(module, *file, {{"other", "a", {}}});
  EXPECT_EQ(report.mismatched, std::vector<std::string>{"other: file [3, 4], model [2]"});
}

}  // namespace
}  // namespace medseg
