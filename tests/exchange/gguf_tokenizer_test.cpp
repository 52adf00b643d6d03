#include "medseg/exchange/gguf_tokenizer.h"

#include <algorithm>
#include <cstdlib>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "support/assets.h"
#include "support/temp_folder.h"
#include "text/text_stream.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::int64_t>;

class MetadataOnly : public TensorFile {
 public:
  explicit MetadataOnly(std::map<std::string, MetadataValue> metadata)
      : metadata_(std::move(metadata)) {}
  const fs::path& path() const override { return path_; }
  std::string format() const override { return "gguf"; }
  const std::vector<TensorInfo>& tensors() const override { return tensors_; }
  const std::map<std::string, MetadataValue>& metadata() const override { return metadata_; }
  at::Tensor load(const std::string&) const override { return {}; }

 private:
  fs::path path_ = "tiny.gguf";
  std::vector<TensorInfo> tensors_;
  std::map<std::string, MetadataValue> metadata_;
};

std::map<std::string, MetadataValue> tiny() {
  return {{"tokenizer.ggml.model", std::string("gpt2")},
          {"tokenizer.ggml.pre", std::string("smollm")},
          {"tokenizer.ggml.tokens", std::vector<std::string>{"<|end|>", "a", "b", "ab"}},
          {"tokenizer.ggml.token_type", Ids{3, 1, 1, 1}},
          {"tokenizer.ggml.merges", std::vector<std::string>{"a b"}},
          {"tokenizer.ggml.eos_token_id", std::int64_t{0}},
          {"tokenizer.ggml.add_bos_token", false}};
}

std::string error_of(const std::map<std::string, MetadataValue>& metadata) {
  try {
    load_gguf_tokenizer(MetadataOnly(metadata));
  } catch (const CheckpointError& error) {
    return error.what();
  }
  return "no error";
}

TEST(GgufTokenizer, ReadsTheKeysOfTheFile) {
  const auto tokenizer = load_gguf_tokenizer(MetadataOnly(tiny()));
  EXPECT_EQ(tokenizer->encode("abb<|end|>"), (Ids{3, 2, 0}));
  EXPECT_EQ(tokenizer->eos(), 0);
  EXPECT_FALSE(tokenizer->bos());
  EXPECT_FALSE(tokenizer->adds_bos());
}

TEST(GgufTokenizer, NamesFileAndKeyOfAFault) {
  EXPECT_EQ(error_of({}), "tiny.gguf: tokenizer.ggml.model: missing, the file holds no vocabulary");
  auto metadata = tiny();
  metadata["tokenizer.ggml.tokens"] = std::string("a");
  EXPECT_EQ(error_of(metadata), "tiny.gguf: tokenizer.ggml.tokens: has an unexpected type");
  metadata = tiny();
  metadata["tokenizer.ggml.merges"] = std::vector<std::string>{"a x"};
  EXPECT_EQ(error_of(metadata),
            "tiny.gguf: tokenizer.ggml: model.merges[0]: \"x\" is not in the vocabulary");
  metadata = tiny();
  metadata["tokenizer.ggml.eos_token_id"] = std::int64_t{9};
  EXPECT_EQ(error_of(metadata),
            "tiny.gguf: tokenizer.ggml: eos_token 9 is not an id; there are 4 tokens");
}

TEST(GgufTokenizer, SentencePieceGivesTheIdsOfTheModelThatWasConverted) {
  const fs::path golden = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/text";
  const auto file = open_tensor_file(golden / "spm.gguf");
  const auto texts = nlohmann::json::parse(read_file(golden / "strings.json"));
  const TempFolder saved("gguf-spm");
  for (const auto& name : choice_names<TokenizerMode>()) {
    const auto tokenizer = load_gguf_tokenizer(*file, tokenizer_mode(name));
    EXPECT_EQ(tokenizer->size(), 565);
    EXPECT_EQ(tokenizer->bos(), 1);
    EXPECT_EQ(tokenizer->eos(), 2);
    EXPECT_EQ(tokenizer->adds_bos(), name != "spm_native");
    tokenizer->save(saved.path());
    const auto again = load_tokenizer(saved.path(), tokenizer_mode(name));
    const auto expected = nlohmann::json::parse(read_file(golden / "spm" / (name + ".json")));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const auto text = texts[i].get<std::string>();
      auto ids = tokenizer->encode(text);
      EXPECT_EQ(again->encode(text), ids) << text;
      if (tokenizer->adds_bos()) ids.insert(ids.begin(), 1);
      ASSERT_EQ(ids, expected[i].get<Ids>()) << name << ": " << text;
    }
  }
}

TEST(GgufTokenizer, SentencePieceFaultsAreNamed) {
  const auto good = [] {
    return std::map<std::string, MetadataValue>{
        {"tokenizer.ggml.model", std::string("llama")},
        {"tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "a"}},
        {"tokenizer.ggml.scores", std::vector<double>{0, 0, 0, -1}},
        {"tokenizer.ggml.token_type", Ids{2, 3, 3, 1}},
        {"tokenizer.ggml.bos_token_id", std::int64_t{1}}};
  };
  EXPECT_EQ(error_of(good()), "no error");
  const auto says = [&](const std::string& key, MetadataValue value, const std::string& what) {
    auto metadata = good();
    metadata["tokenizer.ggml." + key] = std::move(value);
    EXPECT_EQ(error_of(metadata), "tiny.gguf: tokenizer.ggml" + what);
  };
  says("scores", std::vector<double>{0}, ".scores: 1 for 4 tokens");
  says("token_type", Ids{2, 3, 3, 9}, ".token_type[3]: 9 is no type of SentencePiece");
  says("token_type", Ids{1, 3, 3, 1},
       ".unknown_token_id: missing, and no token is of type unknown");
  says("tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "<s>"},
       ".tokens[3]: \"<s>\" again");
  says("tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", ""}, ".tokens[3]: is empty");
  says("tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "\xff"},
       ": piece 3 is not UTF-8");
  says("bos_token_id", std::int64_t{7}, ".bos_token_id: 7 is not an id; there are 4 tokens");
}

TEST(GgufTokenizerIntegration, GivesTheIdsOfSmolLm2) {
  const auto file = asset(kSmolLm2);
  if (file.empty()) GTEST_SKIP() << kSmolLm2 << " was not fetched";
  ASSERT_TRUE(is_gguf(file));
  const auto tokenizer = load_gguf_tokenizer(*open_tensor_file(file));
  EXPECT_EQ(tokenizer->size(), 49152);
  EXPECT_EQ(tokenizer->encode("The capital of France is"), (Ids{504, 3575, 282, 4649, 314}));
  EXPECT_EQ(tokenizer->add_tokens({"[SEG]", "<p>", "</p>"}), (Ids{49152, 49153, 49154}));

  const fs::path golden = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/text";
  const auto texts =
      nlohmann::json::parse(read_file(golden / "strings.json")).get<std::vector<std::string>>();
  const auto expected =
      nlohmann::json::parse(read_file(golden / "smollm2.json")).get<std::vector<Ids>>();
  const auto folder = fs::temp_directory_path() / "medseg-smollm2-tokenizer";
  fs::remove_all(folder);
  tokenizer->save(folder);
  const auto saved = load_tokenizer(folder);
  EXPECT_EQ(saved->fingerprint(), tokenizer->fingerprint());
  EXPECT_EQ(saved->eos(), 2);
  EXPECT_FALSE(saved->adds_bos());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    ASSERT_EQ(tokenizer->encode(texts[i]), expected[i]) << texts[i];
    ASSERT_EQ(saved->encode(texts[i]), expected[i]) << texts[i];
    // The vocabulary has no letter for some control bytes; the reference drops them too.
    const bool control = std::any_of(texts[i].begin(), texts[i].end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r';
    });
    if (!control) {
      ASSERT_EQ(tokenizer->decode(expected[i]), texts[i]);
    }
  }
  const auto stream = golden::read("stream/smollm2.json");
  golden::expect_stream(stream["ids"], [&](const std::string& text) {
    return golden::ids_text(tokenizer->encode(text));
  });
  golden::expect_stream(stream["decoded"], [&](const std::string& text) {
    return tokenizer->decode(tokenizer->encode(text));
  });
}

}  // namespace
}  // namespace medseg
