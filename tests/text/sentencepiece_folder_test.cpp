#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "support/throws.h"

namespace medseg {
namespace {

using golden::Ids;

class SpmFolders : public testing::TestWithParam<std::string> {};

std::filesystem::path written(const nlohmann::json& files, const std::string& name) {
  const auto folder = golden::scratch(name);
  std::filesystem::copy_file(golden::folder() / "spm/tokenizer.model", folder / "tokenizer.model");
  for (const auto& [file, content] : files.items()) write_file(folder / file, content.dump());
  return folder;
}

Ids default_call(const Tokenizer& tokenizer, const std::string& text) {
  auto ids = tokenizer.encode(text);
  if (tokenizer.adds_bos()) ids.insert(ids.begin(), *tokenizer.bos());
  if (tokenizer.adds_eos()) ids.push_back(*tokenizer.eos());
  return ids;
}

TEST_P(SpmFolders, GiveTheIdsOfTransformers) {
  const auto golden = golden::read("spm/folders_" + GetParam() + ".json");
  const auto texts = golden["texts"].get<std::vector<std::string>>();
  for (const auto& row : golden["folders"]) {
    const std::string name = row["name"];
    const auto folder = written(row["files"], "folder-" + GetParam() + name);
    const auto tokenizer = load_tokenizer(folder, tokenizer_mode(GetParam()));
    for (std::size_t i = 0; i < texts.size(); ++i) {
      ASSERT_EQ(default_call(*tokenizer, texts[i]), row["ids"][i].get<Ids>())
          << name << ": \"" << texts[i] << '"';
    }
    const auto again = golden::scratch("folder-again-" + GetParam() + name);
    tokenizer->save(again);
    const auto loaded = load_tokenizer(again, tokenizer_mode(GetParam()));
    EXPECT_EQ(loaded->fingerprint(), tokenizer->fingerprint()) << name;
    for (const auto& text : texts) {
      ASSERT_EQ(default_call(*loaded, text), default_call(*tokenizer, text))
          << name << ": " << text;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, SpmFolders, testing::Values("hf_legacy", "hf_legacy_nostrip", "hf"),
                         [](const auto& each) { return each.param; });

TEST(SpmFolder, LeavesMarkersOutOfADecodedText) {
  const auto folder = written(
      nlohmann::json::parse(
          R"({"added_tokens.json": {"[SEG]": 560, "[PAD]": 561}, "special_tokens_map.json": )"
          R"({"pad_token": "[PAD]", "additional_special_tokens": ["[SEG]"]}})"),
      "skipped");
  const auto tokenizer = load_tokenizer(folder, TokenizerMode::kHfLegacyNoStrip);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a [SEG][PAD][PAD]"), true), "a [SEG]");
}

TEST(SpmFolder, NamesTheFileThatIsAtFault) {
  const auto fails = [](const char* file, const std::string& content, const std::string& expected) {
    const auto folder = written({}, "folder-bad");
    write_file(folder / file, content);
    EXPECT_THAT([&] { load_tokenizer(folder); },
                ::testing::ThrowsMessage<CheckpointError>((folder / file).string() + expected));
  };
  fails("special_tokens_map.json", "[1]", ": expected a JSON object");
  fails("special_tokens_map.json", R"({"bos_token": 1})", ": bos_token: expected a token, got 1");
  fails("special_tokens_map.json", R"({"bos_token": {"lstrip": true}})",
        ": bos_token.content: missing");
  fails("special_tokens_map.json", R"({"additional_special_tokens": "x"})",
        ".additional_special_tokens: wrong type, got \"x\"");
  fails("tokenizer_config.json", R"({"add_bos_token": 1})", ".add_bos_token: wrong type, got 1");
  fails("tokenizer_config.json", R"({"added_tokens_decoder": {"x": {"content": "a"}}})",
        ": added_tokens_decoder: \"x\" is not an id");
  fails("tokenizer_config.json",
        R"({"added_tokens_decoder": {"560": {"content": "a", "single_word": true}}})",
        ": added_tokens_decoder.560.single_word: is not known for SentencePiece tokenizers");
  fails("added_tokens.json", R"({"": 560})", ": the added token of id 560 is empty");
}

TEST(TokenizerFolder, TiktokensListBesideATokenizerJsonIsPassedOver) {
  const auto folder = golden::scratch("tiktoken");
  std::filesystem::copy(golden::folder() / "bpe/llama3/tokenizer.json", folder);
  const auto expected = load_tokenizer(folder)->fingerprint();
  const auto model = folder / "tokenizer.model";
  write_file(model, "IQ== 0\nIg== 1\nIw== 2\n");  // Meta's Llama 3
  EXPECT_EQ(load_tokenizer(folder)->fingerprint(), expected);
  const auto refused = [&](const std::string& bytes) {
    write_file(model, bytes);
    EXPECT_THAT([&] { load_tokenizer(folder); },
                ThrowsError<CheckpointError>(model.string(), "is not a SentencePiece model"));
  };
  refused("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
  refused("damaged");
  std::filesystem::remove(folder / "tokenizer.json");
  refused("IQ== 0\nIg== 1\n");
}

}  // namespace
}  // namespace medseg
