// Checkpoints of several files: which set of a folder is read, GGUF in parts, names that share one
// tensor, and the file that a message names.
#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/weights/tensor_file.h"
#include "support/temp_folder.h"
#include "support/weight_bytes.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class CheckpointFolders : public ::testing::Test {
 protected:
  static std::string refusal(const fs::path& path) {
    try {
      open_tensor_file(path);
    } catch (const CheckpointError& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      EXPECT_TRUE(what.starts_with(path.string() + ": ")) << what;
      return what.substr(std::min(what.size(), path.string().size() + 2));
    }
    return "no error";
  }

  static std::string part(std::uint32_t no, std::uint32_t count, const std::string& tensor,
                          std::uint32_t all = 2) {
    const auto values = gguf_value("split.no", no) + gguf_value("split.count", count) +
                        gguf_value("split.tensors.count", all);
    return gguf({{.name = tensor}}, values, 3);
  }

  const TempFolder folder_{"checkpoint-folders"};
};

TEST_F(CheckpointFolders, AnyPartOfAGgufOpensAll) {
  const auto first = folder_ / "m-00001-of-00002.gguf", second = folder_ / "m-00002-of-00002.gguf";
  write_file(first, part(0, 2, "a"));
  write_file(second, part(1, 2, "b"));
  for (const auto& path : {first, second}) {
    const auto file = open_tensor_file(path);
    ASSERT_EQ(file->tensors().size(), 2U);
    EXPECT_EQ(file->tensors()[0].name, "a");
    EXPECT_EQ(file->load("b").numel(), 16);
    EXPECT_EQ(file->format(), "gguf");
    EXPECT_EQ(file->path_of("a"), first);
    EXPECT_EQ(file->path_of("b"), second);
    EXPECT_EQ(file->files(), (std::vector{first, second}));
    EXPECT_FALSE(file->metadata().contains("split.count"));
  }
}

TEST_F(CheckpointFolders, APartAloneIsRefusedWithItsNumber) {
  const auto first = folder_ / "m-00001-of-00002.gguf", second = folder_ / "m-00002-of-00002.gguf";
  write_file(first, part(0, 2, "a"));
  EXPECT_EQ(refusal(first),
            "part 1 of 2 of a GGUF; part 2 (m-00002-of-00002.gguf) is not beside it");
  fs::rename(first, folder_ / "model.gguf");
  EXPECT_EQ(
      refusal(folder_ / "model.gguf"),
      "part 1 of 2 of a GGUF, whose name must end in -00001-of-00002.gguf to find the others");
  write_file(second, part(1, 2, "b"));
  EXPECT_EQ(refusal(second),
            "part 2 of 2 of a GGUF; part 1 (m-00001-of-00002.gguf) is not beside it");
}

TEST_F(CheckpointFolders, PartsThatDoNotBelongTogetherAreRefused) {
  const auto first = folder_ / "m-00001-of-00002.gguf", second = folder_ / "m-00002-of-00002.gguf";
  const auto says = [&](const std::string& one, const std::string& other, const std::string& what) {
    write_file(first, one);
    write_file(second, other);
    try {
      open_tensor_file(first);
      ADD_FAILURE() << "read, expected " << what;
    } catch (const CheckpointError& error) {
      EXPECT_NE(std::string(error.what()).find(what), std::string::npos) << error.what();
    }
  };
  says(part(0, 2, "a"), part(0, 2, "b"), "m-00002-of-00002.gguf: is not part 2 of 2 of a GGUF");
  says(part(0, 2, "a"), gguf({{.name = "b"}}), "m-00002-of-00002.gguf: is not part 2 of 2");
  says(part(0, 2, "a", 3), part(1, 2, "b"),
       "m-00001-of-00002.gguf: split.tensors.count is 3, but the 2 parts hold 2 tensors");
  says(part(0, 2, "a"), part(1, 2, "a"), "tensor a occurs twice");
  says(part(7, 2, "a"), part(1, 2, "b"), "split.no: 7 is out of range");
  says(part(0, 200'000, "a"), part(1, 2, "b"), "split.count: 200000 is out of range");
}

TEST_F(CheckpointFolders, OfTwoSetsOfWeightsTheOneThatTransformersReadsIsRead) {
  const auto one = folder_ / "model.safetensors";
  write_safetensors(one, {{"a", at::ones({2})}});
  write_file(folder_ / "pytorch_model.bin.index.json", R"({"weight_map": {"a": "old.bin"}})");
  write_file(folder_ / "pytorch_model.bin", "not read");
  testing::internal::CaptureStderr();
  const auto file = open_tensor_file(folder_.path());
  const auto said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(file->files(), std::vector{one});
  EXPECT_NE(said.find("several sets of weights (model.safetensors, pytorch_model.bin, "
                      "pytorch_model.bin.index.json); model.safetensors is read"),
            std::string::npos)
      << said;
}

TEST_F(CheckpointFolders, ATensorWrittenOnceHasItsOtherNameToo) {
  const auto path = folder_ / "shared.safetensors";
  write_safetensors(path, {{"embed", at::arange(4)}},
                    {{"format", "pt"}, {"head", "embed"}, {"author", "nobody"}});
  const auto file = open_tensor_file(path);
  ASSERT_EQ(file->tensors().size(), 2U);
  EXPECT_TRUE(at::equal(file->load("head"), at::arange(4)));
}

TEST_F(CheckpointFolders, ShardsAreNamedAsTheFilesOfTheirTensors) {
  write_checkpoint(folder_.path(), {to_write("a", at::ones({256})), to_write("b", at::ones({256}))},
                   1500);
  const auto file = open_tensor_file(folder_.path());
  EXPECT_EQ(file->path_of("b"), folder_ / "model-00002-of-00002.safetensors");
  EXPECT_EQ(file->files().size(), 3U);
}

}  // namespace
}  // namespace medseg
