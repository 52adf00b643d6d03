// Files made to hurt a reader. Each must be refused with one line that names the file.
#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/weights/language_names.h"
#include "medseg/weights/tensor_file.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string repeated(const std::string& piece, std::size_t times) {
  std::string text;
  text.reserve(piece.size() * times);
  for (std::size_t i = 0; i < times; ++i) text += piece;
  return text;
}

struct Entry {
  std::string name, packed;
  std::uint32_t size = 0;    // as stated
  std::uint16_t method = 0;  // 8: deflated
};

std::string zip_of(const std::vector<Entry>& entries) {
  std::string bytes, directory;
  for (const auto& entry : entries) {
    const auto packed = static_cast<std::uint32_t>(entry.packed.size());
    const auto name = static_cast<std::uint16_t>(entry.name.size());
    const std::string sizes = raw(std::uint32_t{0}) + raw(packed) + raw(entry.size);
    directory += "PK\x01\x02" + raw(std::uint32_t{20}) + raw(std::uint16_t{0}) + raw(entry.method) +
                 raw(std::uint32_t{0}) + sizes + raw(name) + std::string(12, '\0') +
                 raw(static_cast<std::uint32_t>(bytes.size())) + entry.name;
    bytes += "PK\x03\x04" + raw(std::uint16_t{20}) + raw(std::uint16_t{0}) + raw(entry.method) +
             raw(std::uint32_t{0}) + sizes + raw(name) + raw(std::uint16_t{0}) + entry.name +
             entry.packed;
  }
  const auto count = static_cast<std::uint16_t>(entries.size());
  const auto at = static_cast<std::uint32_t>(bytes.size());
  return bytes + directory + "PK\x05\x06" + std::string(4, '\0') + raw(count) + raw(count) +
         raw(static_cast<std::uint32_t>(directory.size())) + raw(at) + raw(std::uint16_t{0});
}

std::string torch_zip(const std::string& pickle) {
  return zip_of({{"archive/data.pkl", pickle, static_cast<std::uint32_t>(pickle.size()), 0}});
}

std::string safetensors(const std::string& header, std::size_t data) {
  return raw(std::uint64_t{header.size()}) + header + std::string(data, '\0');
}

std::string gguf_string(const std::string& text) { return raw(std::uint64_t{text.size()}) + text; }

/// F32 tensors `name` of one value, at `offsets`.
std::string gguf(const std::vector<std::pair<std::string, std::uint64_t>>& tensors,
                 const std::string& metadata = "", std::uint64_t values = 0) {
  std::string bytes =
      "GGUF" + raw(std::uint32_t{3}) + raw(std::uint64_t{tensors.size()}) + raw(values) + metadata;
  for (const auto& [name, offset] : tensors) {
    bytes += gguf_string(name) + raw(std::uint32_t{1}) + raw(std::uint64_t{16}) +
             raw(std::uint32_t{0}) + raw(offset);
  }
  bytes.resize((bytes.size() + 31) / 32 * 32);
  return bytes + std::string(256, '\0');
}

class Hostile : public ::testing::Test {
 protected:
  void TearDown() override { fs::remove_all(folder_); }

  /// The one line with which `bytes` are refused; "" if they open.
  std::string refusal(const std::string& bytes) {
    const auto path = folder_ / "file";
    write_file(path, bytes);
    try {
      const auto file = open_tensor_file(path);
      for (const auto& info : file->tensors()) file->load(info.name);
    } catch (const CheckpointError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(path.string())) << message;
      return message.substr(path.string().size() + 2);
    }
    return "";
  }

  fs::path folder_ = fs::temp_directory_path() / medseg::str("medseg-hostile-test-", ::getpid());
};

TEST_F(Hostile, NestedTuplesAreFreedWithoutRecursion) {
  const std::string deep = "\x80\x02)" + repeated("\x85", 3'000'000) + ".";
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
      pickle += "X" + raw(std::uint32_t{2}) + medseg::str(10 + i).substr(0, 2) + "h" +
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

TEST_F(Hostile, APickleWithoutTensorsIsNoCheckpoint) {
  EXPECT_EQ(refusal(torch_zip("\x80\x02}.")), "holds no dictionary of tensors");
}

TEST_F(Hostile, AZeroSizeDoesNotHideOverflow) {
  EXPECT_EQ(
      refusal(safetensors(
          R"({"a": {"dtype": "F32", "shape": [0, 4611686018427387904, 4611686018427387904], "data_offsets": [0, 0]}})",
          0)),
      "a: a size overflows");
}

TEST_F(Hostile, NamesThatStandTwiceAreRefused) {
  EXPECT_EQ(
      refusal(safetensors(
          R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}, "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})",
          1)),
      "a: stands twice in the header");
  EXPECT_EQ(refusal(gguf({{"a", 0}, {"a", 64}})), "tensor a stands twice");
  const std::string value = gguf_string("k") + raw(std::uint32_t{7}) + std::string(1, '\1');
  EXPECT_EQ(refusal(gguf({{"a", 0}}, value + value, 2)), "k stands twice");
}

TEST_F(Hostile, TensorsThatOverlapAreRefused) {
  EXPECT_EQ(refusal(gguf({{"a", 0}, {"b", 64}})), "");
  EXPECT_EQ(refusal(gguf({{"a", 0}, {"b", 32}})), "a and b overlap");
}

TEST_F(Hostile, AnIndexThatNamesItselfOrAFolderIsRefused) {
  const auto index = folder_ / "model.safetensors.index.json";
  for (const char* shard : {".", "model.safetensors.index.json", "folder"}) {
    fs::create_directories(folder_ / "folder");
    write_file(index, medseg::str(R"({"weight_map": {"a": ")", shard, R"("}})"));
    try {
      open_tensor_file(folder_);
      FAIL() << shard;
    } catch (const CheckpointError& error) {
      EXPECT_EQ(error.what(),
                medseg::str(index.string(), ": a: shard ", shard, " is no file of tensors"));
    }
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
