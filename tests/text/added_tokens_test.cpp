// The flags of added tokens and the special tokens around a text; the expected ids follow from the
// rules of tokenizers 0.23.
#include <gtest/gtest.h>

#include "golden.h"

namespace medseg {
namespace {

using golden::Ids;

// Letters and the blank have ids of their own; added tokens follow: "<t>" is id 9.
std::unique_ptr<Tokenizer> with_token(const std::string& flags, const std::string& more = "") {
  const auto folder = golden::scratch("flags");
  write_file(folder / "tokenizer.json",
             R"({"model": {"type": "BPE", "merges": [], "vocab":
          {"a": 0, "b": 1, " ": 2, "T": 3, "t": 4, "<": 5, ">": 6, "Ⓐ": 7, "_": 8}},
          "added_tokens": [{"id": 9, "content": "<t>", )" +
                 flags + "}]" + more + "}");
  return load_tokenizer(folder);
}

TEST(AddedTokens, TakeWhiteSpaceAwayWhereTheyAreToldTo) {
  EXPECT_EQ(with_token(R"("lstrip": true)")->encode("a  <t> b"), (Ids{0, 9, 2, 1}));
  EXPECT_EQ(with_token(R"("rstrip": true)")->encode("a <t>  b"), (Ids{0, 2, 9, 1}));
  const auto both = with_token(R"("lstrip": true, "rstrip": true)");
  EXPECT_EQ(both->encode(" <t>\u3000\n<t> "), (Ids{9, 9}));
  // Without a decoder, tokens are separated by blanks.
  EXPECT_EQ(both->decode(both->encode("a <t> b")), "a <t> b");
}

TEST(AddedTokens, AreWholeWordsWhereTheyAreToldTo) {
  const auto tokenizer = with_token(R"("single_word": true)");
  EXPECT_EQ(tokenizer->encode("<t>"), (Ids{9}));
  EXPECT_EQ(tokenizer->encode("a <t> <t>"), (Ids{0, 2, 9, 2, 9}));
  EXPECT_EQ(tokenizer->encode("a<t>"), (Ids{0, 5, 4, 6}));
  EXPECT_EQ(tokenizer->encode("<t>_"), (Ids{5, 4, 6, 8}));
  EXPECT_EQ(tokenizer->encode("<t>Ⓐ"), (Ids{5, 4, 6, 7}));  // alphabetic, though a symbol
}

TEST(AddedTokens, AreLookedForInNormalisedText) {
  const std::string lower = R"(, "normalizer": {"type": "Lowercase"})";
  EXPECT_EQ(with_token(R"("normalized": true)", lower)->encode("a<T>"), (Ids{0, 9}));
  EXPECT_EQ(with_token(R"("normalized": false)", lower)->encode("a<T>"), (Ids{0, 5, 4, 6}));
  EXPECT_EQ(with_token(R"("normalized": false)", lower)->encode("a<t>"), (Ids{0, 9}));
}

TEST(AddedTokens, CanBeWhiteSpaceThatAnotherTokenTookAway) {
  const auto folder = golden::scratch("blank-token");
  write_file(
      folder / "tokenizer.json",
      R"({"model": {"type": "BPE", "vocab": {"a": 0, " ": 1}, "merges": []}, "added_tokens": [
          {"id": 2, "content": "<t>", "rstrip": true}, {"id": 3, "content": "  "}]})");
  EXPECT_EQ(load_tokenizer(folder)->encode("<t>  a"), (Ids{2, 3, 0}));
}

TEST(PostProcessor, SaysWhatStandsRoundAText) {
  const auto tokenizer = with_token(
      "\"special\": true",
      R"(, "post_processor": {"type": "RobertaProcessing", "cls": ["<t>", 9], "sep": ["b", 1], )"
      R"("trim_offsets": true, "add_prefix_space": false})");
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_TRUE(tokenizer->adds_eos());
  EXPECT_EQ(tokenizer->bos(), 9);
  EXPECT_EQ(tokenizer->eos(), 1);
}

TEST(TokenizerConfig, DecidesAboutBosAndEos) {
  const auto folder = golden::scratch("config");
  const auto load = [&](const std::string& config) {
    std::filesystem::copy_file(golden::folder() / "bpe/llama3/tokenizer.json",
                               folder / "tokenizer.json",
                               std::filesystem::copy_options::overwrite_existing);
    write_file(folder / "tokenizer_config.json", config);
    return load_tokenizer(folder);
  };
  EXPECT_TRUE(load("{}")->adds_bos());
  EXPECT_FALSE(load("{}")->adds_eos());
  EXPECT_FALSE(load(R"({"add_bos_token": false, "bos_token": "<|begin|>"})")->adds_bos());
  const auto both = load(R"({"add_eos_token": true, "eos_token": {"content": "<|end|>"}})");
  EXPECT_TRUE(both->adds_bos());
  EXPECT_TRUE(both->adds_eos());
  EXPECT_EQ(both->eos(), both->id_of("<|end|>"));
  const auto saved = golden::scratch("config-saved");
  both->save(saved);
  EXPECT_TRUE(load_tokenizer(saved)->adds_eos());
  EXPECT_THROW(load(R"({"add_bos_token": "yes"})"), CheckpointError);
}

// A word that is in the vocabulary is one token, even if merges never produce it (Llama 3).
TEST(IgnoreMerges, TakesWholeWords) {
  const auto load = [](const char* ignore) {
    const auto folder = golden::scratch("ignore");
    write_file(
        folder / "tokenizer.json",
        std::string(R"({"model": {"type": "BPE", "ignore_merges": )") + ignore +
            R"(, "vocab": {"a": 0, "b": 1, "c": 2, "bc": 3, "abc": 4}, "merges": ["b c"]}})");
    return load_tokenizer(folder)->encode("abc");
  };
  EXPECT_EQ(load("true"), (Ids{4}));
  EXPECT_EQ(load("false"), (Ids{0, 3}));
}

}  // namespace
}  // namespace medseg
