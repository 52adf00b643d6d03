#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "medseg/base/str.h"
#include "support/throws.h"

namespace medseg {
namespace {

using golden::Ids;
using golden::texts;

class BpeReference : public testing::TestWithParam<std::string> {};

TEST_P(BpeReference, GivesTheIdsOfTheTokenizersPackage) {
  const auto tokenizer = golden::bpe(GetParam());
  const auto expected = golden::read("bpe/" + GetParam() + "/ids.json");
  for (std::size_t i = 0; i < texts().size(); ++i) {
    const auto ids = tokenizer->encode(texts()[i]);
    ASSERT_EQ(ids, expected["ids"][i].get<Ids>()) << i << ": " << texts()[i];
    const auto& decoded = expected["decoded"][i];  // null: equal to the text
    ASSERT_EQ(tokenizer->decode(ids), decoded.is_null() ? texts()[i] : decoded.get<std::string>());
  }
}

TEST_P(BpeReference, SavesWhatItLoads) {
  const auto tokenizer = golden::bpe(GetParam());
  tokenizer->add_tokens({"[EXTRA]"});
  const auto folder = golden::scratch("save-" + GetParam());
  tokenizer->save(folder);
  const auto again = load_tokenizer(folder);
  EXPECT_EQ(again->fingerprint(), tokenizer->fingerprint());
  EXPECT_EQ(again->size(), tokenizer->size());
  EXPECT_EQ(again->adds_bos(), tokenizer->adds_bos());
  EXPECT_EQ(again->bos(), tokenizer->bos());
  for (const auto& text : texts()) ASSERT_EQ(again->encode(text), tokenizer->encode(text)) << text;
}

INSTANTIATE_TEST_SUITE_P(Families, BpeReference,
                         testing::Values("gpt2", "gpt2_prefix", "smollm", "llama3", "qwen2",
                                         "llama2", "metaspace_always", "metaspace_first",
                                         "metaspace_never", "nfkc"),
                         [](const auto& each) { return each.param; });

class SpmReference : public testing::TestWithParam<std::string> {};

TEST_P(SpmReference, GivesTheIdsOfTheReference) {
  const auto tokenizer = golden::spm(tokenizer_mode(GetParam()));
  const auto expected = golden::read("spm/" + GetParam() + ".json").get<std::vector<Ids>>();
  for (std::size_t i = 0; i < texts().size(); ++i) {
    auto ids = tokenizer->encode(texts()[i]);
    if (tokenizer->adds_bos()) ids.insert(ids.begin(), *tokenizer->bos());
    ASSERT_EQ(ids, expected[i]) << i << ": " << texts()[i];
  }
}

TEST_P(SpmReference, SavesWhatItLoads) {
  const auto mode = tokenizer_mode(GetParam());
  const auto tokenizer = golden::spm(mode);
  tokenizer->add_tokens({"[EXTRA]", "[SEG]"});
  const auto folder = golden::scratch("save-" + GetParam());
  tokenizer->save(folder);
  const auto again = load_tokenizer(folder, mode);
  EXPECT_EQ(again->fingerprint(), tokenizer->fingerprint());
  EXPECT_EQ(again->size(), tokenizer->size());
  for (const auto& text : texts()) ASSERT_EQ(again->encode(text), tokenizer->encode(text)) << text;
}

INSTANTIATE_TEST_SUITE_P(Modes, SpmReference,
                         testing::Values("hf", "hf_legacy", "hf_legacy_nostrip", "spm_native"),
                         [](const auto& each) { return each.param; });

// The pre-tokenizer that a GGUF names splits as the family's own tokenizer does.
TEST(GgufTokenizer, CutsAsTheNamedFamily) {
  const std::pair<const char*, const char*> families[] = {
      {"smollm", "smollm"}, {"gpt-2", "gpt2"}, {"llama-bpe", "llama3"}, {"qwen2", "qwen2"}};
  for (const auto& [pre, family] : families) {
    const auto file = golden::read(str_cat("bpe/", family, "/tokenizer.json"));
    GgufVocabulary vocabulary{.model = "gpt2", .pre = pre};
    const auto& vocab = file["model"]["vocab"];
    vocabulary.tokens.resize(vocab.size() + 3);
    vocabulary.types.assign(vocabulary.tokens.size(), 1);
    for (const auto& [token, id] : vocab.items()) vocabulary.tokens[id.get<std::size_t>()] = token;
    for (const auto& added : file["added_tokens"]) {
      vocabulary.tokens[added["id"].get<std::size_t>()] = added["content"];
      vocabulary.types[added["id"].get<std::size_t>()] = 3;
    }
    vocabulary.tokens.resize(vocab.size() + file["added_tokens"].size() -
                             (family == std::string("smollm")   ? 3u
                              : family == std::string("llama3") ? 2u
                                                                : 0u));
    vocabulary.types.resize(vocabulary.tokens.size());
    for (const auto& merge : file["model"]["merges"]) {
      vocabulary.merges.push_back(merge.is_string() ? merge.get<std::string>()
                                                    : merge[0].get<std::string>() + " " +
                                                          merge[1].get<std::string>());
    }
    vocabulary.bos = vocabulary.eos = 0;
    const auto tokenizer = make_tokenizer(vocabulary);
    const auto expected = golden::read(str_cat("bpe/", family, "/ids.json"))["ids"];
    // A marker here, but an ordinary token in the file.
    const std::string bos_token = vocabulary.tokens[0];
    for (std::size_t i = 0; i < texts().size(); ++i) {
      if (texts()[i].find(bos_token) != std::string::npos) continue;
      ASSERT_EQ(tokenizer->encode(texts()[i]), expected[i].get<Ids>()) << pre << ": " << texts()[i];
    }
  }
}

TEST(GgufTokenizer, KeepsBosThroughSaving) {
  GgufVocabulary vocabulary{.model = "gpt2", .pre = "llama-bpe"};
  vocabulary.tokens = {"<|begin|>", "<|end|>", "a", "b", "ab"};
  vocabulary.types = {3, 3, 1, 1, 1};
  vocabulary.merges = {"a b"};
  vocabulary.bos = 0;
  vocabulary.eos = 1;
  vocabulary.add_bos = true;
  const auto tokenizer = make_tokenizer(vocabulary);
  const auto folder = golden::scratch("gguf-bos");
  tokenizer->save(folder);
  const auto again = load_tokenizer(folder);
  EXPECT_TRUE(again->adds_bos());
  EXPECT_EQ(again->bos(), 0);
  EXPECT_EQ(again->eos(), 1);
  EXPECT_EQ(again->encode("ab<|end|>a"), (Ids{4, 1, 2}));
}

TEST(GgufTokenizer, NamesWhatItDoesNotKnow) {
  GgufVocabulary vocabulary{.model = "llama", .pre = "default", .tokens = {"a"}};
  EXPECT_THROW(make_tokenizer(vocabulary), CheckpointError);
  vocabulary.model = "gpt2";
  vocabulary.pre = "klingon";
  EXPECT_THAT([&] { make_tokenizer(vocabulary); },
              ThrowsError<CheckpointError>(::testing::_,
                                           "unknown \"klingon\"; known are command-r default"));
  vocabulary.pre = "gpt-2";
  vocabulary.merges = {"a b"};
  EXPECT_THROW(make_tokenizer(vocabulary), CheckpointError);  // b is not a token
  vocabulary.merges.clear();
  vocabulary.tokens = {"a", "b\xFF"};
  EXPECT_THROW(make_tokenizer(vocabulary), CheckpointError);  // not UTF-8
  vocabulary.tokens = {"a", "a"};
  EXPECT_THROW(make_tokenizer(vocabulary), CheckpointError);
}

}  // namespace
}  // namespace medseg
