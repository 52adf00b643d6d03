#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/name_map.h"
#include "medseg/weights/tensor_file.h"

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
  fs::path folder_ = fs::temp_directory_path() / medseg::str("medseg-weights-test-", ::getpid());
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

// A file that is refused, in one line that names it, or that still opens: never a crash.
int refusals(const std::string& bytes, const fs::path& path) {
  write_file(path, bytes);
  try {
    const auto file = open_tensor_file(path);
    for (const auto& info : file->tensors()) file->load(info.name);
  } catch (const CheckpointError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find(path.string()), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return 1;
  }
  return 0;
}

TEST_F(Scratch, SurvivesEveryTruncationOfEveryFormat) {
  for (const char* name :
       {"ordered.pth", "nested.pth", "state.safetensors", "quants.gguf", "matmul.onnx"}) {
    const auto whole = read_file(golden(name));
    const auto step = std::max<std::size_t>(1, whole.size() / 60);
    for (std::size_t length = 0; length < whole.size(); length += step) {
      const int refused = refusals(whole.substr(0, length), folder_ / "cut");
      if (std::string(name) != "matmul.onnx") EXPECT_EQ(refused, 1) << name << " cut to " << length;
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
        refusals(bytes, folder_ / "changed");
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
  try {
    open_tensor_file(folder_ / "hostile.pth");
    FAIL() << "no error";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find("posix.system"), std::string::npos) << error.what();
  }
}

TEST_F(Scratch, RefusesSafetensorsThatContradictThemselves) {
  const auto with_header = [](const std::string& header, std::size_t data) {
    std::uint64_t length = header.size();
    std::string bytes(reinterpret_cast<const char*>(&length), sizeof length);
    return bytes + header + std::string(data, '\0');
  };
  const std::vector<std::pair<std::string, std::size_t>> bad = {
      {R"({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}})", 4},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})", 8},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}})", 8},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}})", 4},
      {R"({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}})", 4},
      {R"({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}})", 4},
      {R"({"a": {"dtype": "F32", "shape": [4294967296, 4294967296, 4], "data_offsets": [0, 4]}})",
       4},
      {R"({"a": {"dtype": "F32", "shape": 1, "data_offsets": [0, 4]}})", 4},
      {R"({"a": {"shape": [1], "data_offsets": [0, 4]}})", 4},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}})", 4},
      {R"({"__metadata__": {"x": 1}})", 0},
      {R"({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}})",
       4},
  };
  for (const auto& [header, data] : bad)
    EXPECT_EQ(refusals(with_header(header, data), folder_ / "bad"), 1) << header;
}

TEST_F(Scratch, NamesTheKnownFormats) {
  write_file(folder_ / "text", "hello, I am no tensor");
  try {
    open_tensor_file(folder_ / "text");
    FAIL() << "no error";
  } catch (const CheckpointError& error) {
    EXPECT_EQ(error.what(),
              (folder_ / "text").string() +
                  ": no known format; known are safetensors, torch zip pickle, GGUF, ONNX");
  }
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
