// Weight files that must not be used: `medseg model inspect` refuses each with one line and exit
// code 4.
#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "support/run_cli.h"
#include "support/weight_bytes.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;

struct BadFile {
  std::string name, bytes, says;  ///< `says`: how the line goes on behind the path
  std::string file = "file";
};

void PrintTo(const BadFile& bad, std::ostream* stream) { *stream << bad.name; }

/// Header of one F32 tensor "a" with these values for shape and data_offsets.
std::string entry(const std::string& shape, const std::string& offsets,
                  const std::string& dtype = "F32", const std::string& name = "a") {
  return "\"" + name + "\": {\"dtype\": \"" + dtype + "\", \"shape\": " + shape +
         ", \"data_offsets\": " + offsets + "}";
}

std::vector<BadFile> bad_safetensors() {
  const auto one = [](const std::string& name, const std::string& entries, std::size_t data,
                      const std::string& says) {
    return BadFile{"Safetensors" + name, safetensors("{" + entries + "}", data), says};
  };
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ", 1";
  return {
      {"SafetensorsHeaderIsCut", raw(std::uint64_t{100}) + "{\"a\"",
       "header of 100 bytes, but the file has 12"},
      {"SafetensorsHeaderLengthOverflows", raw(~std::uint64_t{0}) + "{}",
       "header of 18446744073709551615 bytes"},
      one("HeaderIsNoJson", "\"a\": ", 0, "the header is not JSON"),
      one("EntryIsAText", "\"a\": \"F32\"", 0, "a: needs dtype, shape and data_offsets"),
      one("UnknownDtype", entry("[1]", "[0, 4]", "F99"), 4, "a: unknown dtype F99"),
      one("NegativeSize", entry("[-1]", "[0, 4]"), 4, "a: its shape is not a list of sizes"),
      one("SizeIsAFraction", entry("[1.5]", "[0, 4]"), 4, "a: its shape is not a list of sizes"),
      one("SizesOverflow", entry("[4294967296, 4294967296, 4]", "[0, 4]"), 4,
          "a: a size overflows"),
      one("SixtyFiveDimensions", entry("[" + many + "]", "[0, 4]"), 4,
          "a: 65 dimensions, at most 64 are known"),
      one("ShapeIsANumber", entry("1", "[0, 4]"), 4, "a: needs dtype, shape and data_offsets"),
      one("NoDtype", R"("a": {"shape": [1], "data_offsets": [0, 4]})", 4,
          "a: needs dtype, shape and data_offsets"),
      one("OneOffset", entry("[1]", "[0]"), 4, "a: needs dtype, shape and data_offsets"),
      one("OffsetIsNegative", entry("[1]", "[-4, 0]"), 4, "a: bad data_offsets"),
      one("OffsetsSwapped", entry("[1]", "[4, 0]"), 4, "a: data_offsets 4…0 lie outside"),
      one("OffsetBeyondTheFile", entry("[2]", "[0, 8]"), 4,
          "a: data_offsets 0…8 lie outside the 4 bytes of data"),
      one("ShapeNeedsMore", entry("[2]", "[0, 4]"), 4,
          "a: shape needs 8 bytes, data_offsets hold 4"),
      one("OddBytesOfBfloat16", entry("[1]", "[0, 3]", "BF16"), 3,
          "a: shape needs 2 bytes, data_offsets hold 3"),
      one("Overlap", entry("[1]", "[0, 4]") + ", " + entry("[1]", "[0, 4]", "F32", "b"), 4,
          "data has a hole or overlap at byte 4"),
      one("Hole", entry("[1]", "[4, 8]"), 8, "data has a hole or overlap at byte 0"),
      one("BytesBehindTheLastTensor", entry("[1]", "[0, 4]"), 8, "4 bytes behind the last tensor"),
      one("MetadataOfNumbers", R"("__metadata__": {"x": 1})", 0, "__metadata__: x is not a string"),
      one("KeyTwice", R"("a": {"dtype": "U8", "dtype": "I8"})", 0, "dtype occurs twice"),
      one("DeepJson", entry(repeated("[", 300'000) + repeated("]", 300'000), "[0, 4]"), 4,
          "its JSON nests deeper than 3 levels"),
      one("NulInTheName", entry("[1]", "[0, 4]", "F32", "a\\u0000b"), 4,
          "the name of tensor 1 holds a control character"),
      one("NameIsNotUtf8", entry("[1]", "[0, 4]", "F32", "a\xff"), 4, "the header is not JSON"),
      one("NameIsEmpty", entry("[1]", "[0, 4]", "F32", ""), 4, "the name of tensor 1 is empty"),
      one("NameIsLong", entry("[1]", "[0, 4]", "F32", std::string(2000, 'a')), 4,
          "the name of tensor 1 is 2000 bytes long, at most 1024 are read"),
  };
}

std::vector<BadFile> bad_zips() {
  const std::string empty = "\x80\x02}.";
  const auto size = static_cast<std::uint32_t>(empty.size());
  return {
      {"ZipIsCut", torch_zip(empty).substr(0, 60), "no zip directory at its end"},
      {"ZipWithoutPickle", zip_of({{"archive/version", "3\n", 2}}), "a zip without data.pkl"},
      {"ZipIsEncrypted", zip_of({{"archive/data.pkl", empty, size, 0, 1}}),
       "archive/data.pkl is encrypted"},
      {"ZipCompressionIsUnknown", zip_of({{"archive/data.pkl", empty, size, 12}}),
       "archive/data.pkl: compression method 12"},
      {"ZipEntryTwice",
       zip_of({{"archive/data.pkl", empty, size}, {"archive/data.pkl", empty, size}}),
       "archive/data.pkl occurs twice"},
      {"ZipSizesContradict", zip_of({{"archive/data.pkl", empty, 400}}),
       "archive/data.pkl: sizes contradict"},
      {"ZipBomb", zip_of({{"archive/data.pkl", std::string(4'000'000, 'x'), 4'000'000'000U, 8}}),
       "unpacks to 4000000000 bytes, at most 67108864 are read"},
      {"ZipDeflateIsDamaged", zip_of({{"archive/data.pkl", "\xff\xff\xff", 30, 8}}),
       "damaged deflate stream"},
      {"TorchIsBigEndian",
       zip_of({{"archive/data.pkl", empty, size}, {"archive/byteorder", "big", 3}}),
       "stored big-endian"},
      {"TorchScript",
       zip_of({{"archive/data.pkl", empty, size}, {"archive/constants.pkl", empty, size}}),
       "a TorchScript program, not weights; save its state_dict()"},
      {"TorchBefore16",
       "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."s,
       "torch.save's format of before version 1.6; convert it once in Python"},
      {"BarePickle", "\x80\x04}.", "a bare pickle, not the zip archive that torch.save writes"},
  };
}

std::vector<BadFile> bad_pickles() {
  const auto one = [](const std::string& name, const std::string& pickle, const std::string& says) {
    return BadFile{"Pickle" + name, torch_zip("\x80\x02" + pickle), says};
  };
  return {
      one("NamesOsSystem", "cposix\nsystem\n(" + pickled("true") + "tR.",
          "pickle: names posix.system, which is not needed for weights and is refused"),
      one("NamesEval", "c__builtin__\neval\n(" + pickled("1") + "tR.",
          "pickle: names __builtin__.eval"),
      one("NamesPopenFromTheStack", "\x8c\x0asubprocess\x8c\x05Popen\x93.",
          "pickle: names subprocess.Popen"),
      one("NamesAWholeModel", "c__main__\nUNet\n)\x81}b.",
          "pickle: names __main__.UNet, which is not needed for weights and is refused; save the "
          "state_dict() alone"),
      one("NamesALongName", "c" + std::string(500, 'm') + "\nx\n.",
          "pickle: names something with 502 letters"),
      one("CallsAStorage", "ctorch\nFloatStorage\n)R.",
          "pickle: calls torch.FloatStorage, which is refused"),
      one("CallsAText", pickled("os.system") + ")R.", "pickle: expected a callable"),
      one("UnknownOpcode", "i.", "pickle: opcode 105 at byte 2"),
      one("EmptyStack", "s.", "pickle: empty stack"),
      one("NoMark", "t.", "pickle: no mark"),
      one("ReferenceToNothing", "h\x07.", "pickle: reference to nothing"),
      one("ListInsideItself", "]q\0h\0a."s, "holds no dictionary of tensors"),
      one("IsCut", "}", "truncated at byte 3"),
      one("TextBeyondTheEnd", "X\xff\xff\xff\x7fxx.", "truncated at byte 7"),
      one("KeyWithoutValue", "}(" + pickled("a") + "u.", "pickle: a key without a value"),
      one("GrowsByMemo", "N" + repeated("\x94", 1'100'000) + ".", "pickle: too many objects"),
      one("GrowsByMarks", repeated("(", 1'100'000) + ".", "pickle: stack grows without end"),
      one("GrowsByObjects", repeated("N0", 1'100'000) + ".", "pickle: too many objects"),
  };
}

std::vector<BadFile> bad_torch_tensors() {
  const auto one = [](const std::string& name, const PickledTensor& tensor,
                      const std::string& says) {
    return BadFile{"Torch" + name,
                   torch_zip(pickled_state(pickled(tensor)), {std::string(16, '\0')}), says};
  };
  return {
      one("StorageIsMissing", {.key = "7"}, "a: its storage 7 is missing"),
      one("StorageLeavesTheFolder", {.key = "../../etc/passwd"},
          "a: its storage ../../etc/passwd is missing"),
      one("StorageIsShort", {.elements = 5}, "a: storage of 16 bytes, expected 5 elements of 4"),
      one("StorageIsNegative", {.elements = -4}, "a: storage of 16 bytes"),
      one("StorageOverflows", {.elements = std::int64_t{1} << 61}, "a: a size overflows"),
      one("StorageTypeIsUnknown", {.type = "QInt8Storage"},
          "a: storage type QInt8Storage is not supported"),
      one("ViewBeyondItsStorage", {.shape = {5}}, "a: reaches element 4 of a storage of 4"),
      one("OffsetBeyondItsStorage", {.offset = 1}, "a: reaches element 4 of a storage of 4"),
      one("OffsetIsNegative", {.offset = -1}, "a: negative offset"),
      one("SizeIsNegative", {.shape = {-4}}, "a: negative size or stride"),
      one("StrideIsNegative", {.strides = {-1}}, "a: negative size or stride"),
      one("StrideIsHuge", {.strides = {std::int64_t{1} << 61}}, "a: a size overflows"),
      one("ZeroHidesAHugeSize",
          {.shape = {0, std::int64_t{1} << 40, std::int64_t{1} << 40}, .strides = {1, 1, 1}},
          "a: a size overflows"),
      one("StridesAreMissing", {.shape = {2, 2}}, "pickle: shape and strides differ in length"),
      one("ExpandsWithoutEnd", {.shape = {std::int64_t{1} << 40}, .strides = {0}},
          "a: more elements than its storage has bytes"),
      one("SixtyFiveDimensions",
          {.shape = std::vector<std::int64_t>(65, 1), .strides = std::vector<std::int64_t>(65, 1)},
          "pickle: bad tensor"),
  };
}

std::vector<BadFile> bad_gguf() {
  const auto header = [](std::uint64_t tensors, std::uint64_t values) {
    return "GGUF" + raw(std::uint32_t{3}) + raw(tensors) + raw(values);
  };
  const std::string key = gguf_string("k");
  return {
      {"GgufVersionOne", gguf({}, "", 0, 1), "GGUF version 1, known are 2 and 3"},
      {"GgufVersion99", gguf({}, "", 0, 99), "GGUF version 99, known are 2 and 3"},
      {"GgufIsCut", gguf({{"a"}}).substr(0, 60), "truncated at byte "},
      {"GgufCountsBeyondTheFile", header(std::uint64_t{1} << 60, 0), "1152921504606846976 tensors"},
      {"GgufStringBeyondTheFile", header(0, 1) + raw(~std::uint64_t{0} - 3) + std::string(64, 'x'),
       "truncated at byte 32"},
      {"GgufValueTypeIsUnknown", gguf({}, key + raw(std::uint32_t{42}), 1),
       "k: value type 42 is unknown"},
      {"GgufListBeyondTheFile",
       gguf({}, key + raw(std::uint32_t{9}) + raw(std::uint32_t{0}) + raw(std::uint64_t{1} << 50),
            1),
       "k: a list of 1125899906842624 does not fit the file"},
      {"GgufListOfLists",
       gguf({}, key + raw(std::uint32_t{9}) + raw(std::uint32_t{9}) + raw(std::uint64_t{1}), 1),
       "k: value type 9 is unknown"},
      {"GgufAlignmentIsZero", gguf({{"a"}}, gguf_value("general.alignment", 0), 1),
       "general.alignment is not a power of two"},
      {"GgufAlignmentIsThree", gguf({{"a"}}, gguf_value("general.alignment", 3), 1),
       "general.alignment is not a power of two"},
      {"GgufAlignmentIsAText",
       gguf({{"a"}}, gguf_string("general.alignment") + raw(std::uint32_t{8}) + gguf_string("32"),
            1),
       "general.alignment is not a power of two"},
      {"Gguf99Dimensions", gguf({{"a", 0, std::vector<std::uint64_t>(99, 1)}}), "a: 99 dimensions"},
      {"GgufSizesOverflow", gguf({{"a", 0, {std::uint64_t{1} << 40, std::uint64_t{1} << 40}}}),
       "a: a size overflows"},
      {"GgufTypeIsUnknown", gguf({{"a", 0, {256}, 17}}), "a: ggml type 17 is not supported"},
      {"GgufRowsCutBlocks", gguf({{"a", 0, {33}, 2}}),
       "a: rows of 33 are no multiple of the block of 32"},
      {"GgufOffsetBeyondTheFile", gguf({{"a", 1 << 20}}),
       "a: its 64 bytes at 1048576 lie beyond the 256 bytes of data; the file is truncated"},
      {"GgufOffsetIsNotAligned", gguf({{"a", 4}}), "a: its offset is not aligned"},
      {"GgufNulInTheName", gguf({{"a\0b"s}}), "the name of tensor 1 holds a control character"},
      {"GgufNameIsNotUtf8", gguf({{"\xc0\xaf"}}), "the name of tensor 1 is not UTF-8"},
  };
}

std::vector<BadFile> bad_onnx() {
  const std::string named = proto_number(2, 1) + proto_bytes(8, "a");  // float
  return {
      {"OnnxWithoutGraph", proto_number(1, 7), "no ONNX graph"},
      {"OnnxIsCut", onnx(named).substr(0, 8), "truncated at byte "},
      {"OnnxNumberWithoutEnd", "\x08" + std::string(11, '\xff'), "damaged protobuf"},
      {"OnnxGroup", "\x08\x07\x0b", "damaged protobuf"},
      {"OnnxDataIsShort", onnx(proto_number(1, 3) + named + proto_bytes(9, "12345678")),
       "a: 8 bytes, its shape needs 12"},
      {"OnnxSizesOverflow",
       onnx(proto_bytes(1, "\xff\xff\xff\xff\xff\xff\xff\xff\x7f") + named +
            proto_bytes(9, "1234")),
       "a: a size overflows"},
      {"OnnxDataIsElsewhere", onnx(proto_number(1, 1) + named + proto_number(14, 1)),
       "a: its values stand in another file"},
      {"OnnxNameIsMissing", onnx(proto_number(1, 1) + proto_number(2, 1) + proto_bytes(9, "1234")),
       "the name of tensor 1 is empty"},
  };
}

// In the folder of good.safetensors, which holds "a".
std::vector<BadFile> bad_indices() {
  const auto one = [](const std::string& name, const std::string& json, const std::string& says) {
    return BadFile{"Index" + name, json, says, "model.safetensors.index.json"};
  };
  const auto map = [&](const std::string& name, const std::string& shard, const std::string& says) {
    return one(name, R"({"weight_map": {"a": ")" + shard + "\"}}", says);
  };
  return {
      one("IsNoJson", "{", "not JSON"),
      one("WithoutMap", R"({"metadata": {}})", "no weight_map"),
      one("MapIsAList", R"({"weight_map": ["good.safetensors"]})", "no weight_map"),
      one("ShardIsANumber", R"({"weight_map": {"a": 1}})", "a: shard is not a file name"),
      one("KeyTwice", R"({"weight_map": {"a": "good.safetensors", "a": "other.safetensors"}})",
          "a occurs twice"),
      one("DeepJson", "{\"metadata\": " + repeated("[", 300'000) + repeated("]", 300'000) + "}",
          "its JSON nests deeper than 8 levels"),
      one("TensorIsNotInItsShard", R"({"weight_map": {"b": "good.safetensors"}})",
          "b: not in good.safetensors"),
      map("LeavesTheFolder", "../good.safetensors",
          "a: shard ../good.safetensors leaves the folder"),
      map("NamesTheRoot", "/etc/passwd", "a: shard /etc/passwd leaves the folder"),
      map("NamesTheParent", "..", "a: shard .. leaves the folder"),
      map("NamesItself", "model.safetensors.index.json",
          "a: shard model.safetensors.index.json is not a file of tensors"),
      map("ShardHasNoName", "", "a: the name of its shard is empty"),
      map("ShardNameHoldsNul", "good.safetensors\\u0000.bin",
          "a: the name of its shard holds a control character"),
  };
}

// The line begins with the shard's path.
std::vector<BadFile> bad_shards() {
  const auto one = [](const std::string& name, const std::string& shard, const std::string& says) {
    return BadFile{"Shard" + name, R"({"weight_map": {"a": ")" + shard + "\"}}", says,
                   "model.safetensors.index.json"};
  };
  return {one("IsMissing", "none.safetensors", "cannot open: No such file"),
          one("NameIsTooLong", std::string(300, 'x'), "cannot open: File name too long"),
          one("IsNoFile", "pipe", "not a regular file"),
          one("IsNoWeights", "text", "no known format")};
}

std::vector<BadFile> other_files() {
  return {{"EmptyFile", "", "the file is empty"},
          {"Text", "hello, I am no tensor", "no known format"},
          {"LfsPointer", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
           "a Git LFS pointer, not the file itself"},
          {"WebPage", "<!DOCTYPE html><html>404</html>", "a web page, not weights"},
          {"Hdf5", "\x89HDF\r\n\x1a\n", "HDF5, which is not read"}};
}

class BadWeights : public ::testing::TestWithParam<BadFile> {
 protected:
  void SetUp() override {
    fs::create_directories(folder_);
    write_file(folder_ / "good.safetensors",
               safetensors(R"({"a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}})", 1));
    write_file(folder_ / "text", "hello, I am no tensor");
    ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_ = fs::temp_directory_path() / str_cat("medseg-bad-weights-", ::getpid());
};

TEST_P(BadWeights, AreRefusedInOneLine) {
  const auto& bad = GetParam();
  const auto file = folder_ / bad.file;
  write_file(file, bad.bytes);
  const auto outcome = run_words({"model", "inspect", file.string()});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  const bool of_shard = bad.name.starts_with("Shard");
  const auto start = "medseg: " + (of_shard ? folder_.string() + "/" : file.string() + ": ");
  EXPECT_TRUE(outcome.err.starts_with(start)) << outcome.err;
  EXPECT_NE(outcome.err.find(": " + bad.says), std::string::npos)
      << outcome.err << "expected: " << bad.says;
}

std::vector<BadFile> all_files() {
  std::vector<BadFile> all;
  for (const auto& files : {bad_safetensors(), bad_zips(), bad_pickles(), bad_torch_tensors(),
                            bad_gguf(), bad_onnx(), bad_indices(), bad_shards(), other_files()})
    all.insert(all.end(), files.begin(), files.end());
  return all;
}

INSTANTIATE_TEST_SUITE_P(Inspect, BadWeights, ::testing::ValuesIn(all_files()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace medseg
