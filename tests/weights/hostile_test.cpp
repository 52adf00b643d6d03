// Malicious files. Each must be refused with one line that names the file.
#include <filesystem>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/language_names.h"
#include "medseg/weights/tensor_file.h"
#include "support/throws.h"
#include "support/weight_bytes.h"
#include "weights/refusal.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class Hostile : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(folder_); }

  std::string refusal(const std::string& bytes) { return medseg::refusal(folder_ / "file", bytes); }

  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-hostile-test-", ::getpid());
};

TEST_F(Hostile, NestedTuplesAreFreedWithoutRecursion) {
  const std::string deep = "\x80\x02)" + repeated("\x85", 900'000) + ".";
  EXPECT_EQ(refusal(torch_zip(deep)), "holds no dictionary of tensors");
}

TEST_F(Hostile, ADictionaryInsideItselfEnds) {
  const std::string own_model = std::string("\x80\x02}q", 4) + '\0' + "X" + raw(std::uint32_t{5}) +
                                "model" + "h" + '\0' + "s.";
  EXPECT_EQ(refusal(torch_zip(own_model)), "dictionaries nested too deep");
  const std::string own_part = std::string("\x80\x02}q", 4) + '\0' + "X" + raw(std::uint32_t{4}) +
                               "part" + "h" + '\0' + "s.";
  EXPECT_EQ(refusal(torch_zip(own_part)), "dictionaries nested too deep");
}

TEST_F(Hostile, DictionariesThatMultiplyEnd) {
  // Eight levels, each holding the next a hundred times: 10^16 entries in 6 KB.
  std::string pickle = std::string("\x80\x02}q", 4) + '\0';
  for (char level = 1; level <= 7; ++level) {
    pickle += "}q" + std::string(1, level) + "(";
    for (int i = 0; i < 100; ++i) {
      pickle += "X" + raw(std::uint32_t{2}) + str_cat(10 + i).substr(0, 2) + "h" +
                std::string(1, static_cast<char>(level - 1));
    }
    pickle += "u";
  }
  EXPECT_EQ(refusal(torch_zip(pickle + ".")), "dictionaries without end");
}

TEST_F(Hostile, ADeflatedEntryCannotClaimMoreThanDeflateCanPack) {
  EXPECT_EQ(refusal(zip_of({{"archive/data.pkl", "xx", 60'000'000, 8}})),
            "2 bytes cannot unpack to 60000000");
}

TEST_F(Hostile, AStorageThatDoesNotInflateIsRefusedWhenItIsLoaded) {
  const std::string pickle = pickled_state(pickled(PickledTensor{}));
  const auto size = static_cast<std::uint32_t>(pickle.size());
  EXPECT_EQ(refusal(zip_of({{"x/data.pkl", pickle, size}, {"x/data/0", "\xff\xff", 16, 8}})),
            "damaged deflate stream");
  EXPECT_EQ(refusal(zip_of(
                {{"x/data.pkl",
                  pickled_state(pickled(PickledTensor{.elements = 1'000'000, .shape = {1}})), size},
                 {"x/data/0", "\xff\xff", 4'000'000, 8}})),
            "a: 2 bytes cannot unpack to 4000000");
}

// Short pickles that request long copies many times.
TEST_F(Hostile, CopiesArePaidFor) {
  const std::string storage = "(" + pickled("storage") + "ctorch\nFloatStorage\n" + pickled("0") +
                              pickled("cpu") + pickled(4) + "tQq\3";
  const std::string shape = pickled(std::vector<std::int64_t>(64, 1)) + "q\1";
  const std::string tensor =
      "ctorch._utils\n_rebuild_tensor_v2\nq\2(h\3K" + std::string(1, '\0') + "h\1h\1tq\4R";
  EXPECT_EQ(refusal(torch_zip("\x80\x02" + storage + shape + tensor + repeated("h\2h\4R0", 70'000) +
                              ".")),
            "pickle: too many objects");
  const std::string key = pickled(std::string(100'000, 'k'));
  EXPECT_EQ(refusal(torch_zip("\x80\x02(" + pickled("storage") + "ctorch\nFloatStorage\n" + key +
                              pickled("cpu") + pickled(4) + "tQ.")),
            "pickle: bad storage");
  const std::string pairs = "](" + repeated("]", 200'000) + "e";
  EXPECT_EQ(refusal(torch_zip("\x80\x02" + pairs + "q\1ccollections\nOrderedDict\nq\2h\1\x85R.")),
            "pickle: a key without a value");
}

TEST_F(Hostile, LongNamesAreNotCopiedToEveryTensor) {
  std::string pickle = "\x80\x02}" + pickled(std::string(60'000, 'p')) + "}(";
  for (int i = 0; i < 100; ++i) pickle += pickled(str_cat("a", i)) + pickled(PickledTensor{});
  EXPECT_EQ(refusal(torch_zip(pickle + "us.", {std::string(16, '\0')})),
            "a name of 60000 bytes, at most 1024 are read");
}

TEST_F(Hostile, AStorageThatManyShareIsViewedInParts) {
  std::string pickle = "\x80\x02}(";
  for (int i = 0; i < 4; ++i) {
    pickle +=
        pickled(str_cat("a", i)) +
        pickled(PickledTensor{.elements = 16, .offset = 4 * i, .shape = {2, 2}, .strides = {1, 2}});
  }
  std::string storage;
  for (int i = 0; i < 16; ++i) storage += raw(static_cast<float>(i));
  write_file(folder_ / "file", torch_zip(pickle + "u.", {storage}));
  const auto file = open_tensor_file(folder_ / "file");
  const auto value = file->load("a2");
  EXPECT_TRUE(at::equal(value, at::tensor({8.F, 10.F, 9.F, 11.F}).reshape({2, 2})));
  EXPECT_EQ(value.storage().nbytes(), 16U);
}

TEST_F(Hostile, APickleWithoutTensorsIsNoCheckpoint) {
  EXPECT_EQ(refusal(torch_zip("\x80\x02}.")), "holds no dictionary of tensors");
}

TEST_F(Hostile, AZeroSizeDoesNotHideOverflow) {
  EXPECT_EQ(refusal(safetensors(
                R"({"a": {"dtype": "F32", "shape": [0, 4611686018427387904, 4611686018427387904], )"
                R"("data_offsets": [0, 0]}})",
                0)),
            "a: a size overflows");
}

TEST_F(Hostile, NamesThatStandTwiceAreRefused) {
  EXPECT_EQ(refusal(safetensors(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, )"
                                R"("a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
                                1)),
            "a occurs twice");
  EXPECT_EQ(refusal(gguf({{"a", 0}, {"a", 64}})), "tensor a occurs twice");
  const std::string value = gguf_string("k") + raw(std::uint32_t{7}) + std::string(1, '\1');
  EXPECT_EQ(refusal(gguf({{"a", 0}}, value + value, 2)), "k occurs twice");
}

TEST_F(Hostile, TensorsThatOverlapAreRefused) {
  EXPECT_EQ(refusal(gguf({{"a", 0}, {"b", 64}})), "");
  EXPECT_EQ(refusal(gguf({{"a", 0}, {"b", 32}})), "a and b overlap");
}

TEST_F(Hostile, AnIndexThatNamesItselfOrAFolderIsRefused) {
  const auto index = folder_ / "model.safetensors.index.json";
  for (const char* shard : {".", "model.safetensors.index.json", "folder"}) {
    fs::create_directories(folder_ / "folder");
    write_file(index, str_cat(R"({"weight_map": {"a": ")", shard, R"("}})"));
    EXPECT_THAT([&] { open_tensor_file(folder_); },
                ThrowsError<CheckpointError>(
                    index.string() + ": a", str_cat("shard ", shard, " is not a file of tensors")));
  }
}

TEST_F(Hostile, OnnxFieldZeroIsDamage) {
  EXPECT_EQ(refusal(std::string("\x08\x07\x00\x01", 4)), "damaged protobuf");
}

TEST_F(Hostile, HeadsThatDoNotDivideTheRowsAreTheFilesFault) {
  const std::string heads = gguf_string("llama.attention.head_count") + raw(std::uint32_t{4}) +
                            raw(std::uint32_t{5}) + gguf_string("llama.attention.head_count_kv") +
                            raw(std::uint32_t{4}) + raw(std::uint32_t{5});
  write_file(folder_ / "file", gguf({{"blk.0.attn_q.weight", 0}}, heads, 2));
  const auto file = open_tensor_file(folder_ / "file");
  class Block : public Module {
   public:
    Block() { register_parameter("model.layers.0.self_attn.q_proj.weight", q, at::zeros({4, 4})); }
    at::Tensor q;
  } block;
  EXPECT_THROW(load_into(block, *file, gguf_llama_sources(*file)), CheckpointError);
}

}  // namespace
}  // namespace medseg
