#include "medseg/text/tokenizer.h"

#include <atomic>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "golden.h"
#include "medseg/base/random.h"
#include "support/throws.h"

namespace medseg {
namespace {

using golden::Ids;

TEST(AddTokens, AppendsWhatIsMissingInOrder) {
  for (const auto& tokenizer :
       {golden::bpe("gpt2"), golden::spm(TokenizerMode::kHfLegacyNoStrip)}) {
    const auto size = tokenizer->size();
    const auto seg = *tokenizer->id_of("[SEG]");
    const auto ids = tokenizer->add_tokens({"[A]", "[SEG]", "[B]", "[A]"});
    EXPECT_EQ(ids, (Ids{size, seg, size + 1, size}));
    EXPECT_EQ(tokenizer->size(), size + 2);
    EXPECT_EQ(tokenizer->encode("[B]"), (Ids{size + 1}));
    const std::string text = "one [A]  two[B]three [SEG].";
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  }
}

TEST(AddTokens, TakesTheIdOfAWordThatExists) {
  const auto tokenizer = golden::bpe("gpt2");
  const auto size = tokenizer->size();
  const auto known = *tokenizer->id_of("a");
  EXPECT_EQ(tokenizer->add_tokens({"a"}), (Ids{known}));
  EXPECT_EQ(tokenizer->size(), size);
}

TEST(Decode, LeavesMarkersOutAndKeepsAnswerWords) {
  const auto tokenizer = golden::bpe("smollm");
  const auto ids = tokenizer->encode("<|im_start|>a <p> b </p> [SEG]<|im_end|>");
  EXPECT_EQ(tokenizer->decode(ids, /*skip_special=*/true), "a <p> b </p> [SEG]");
  const auto spm = golden::spm(TokenizerMode::kHfLegacy);
  EXPECT_EQ(spm->decode(spm->encode("<s>a [SEG] b</s>"), true), "a [SEG] b");
}

TEST(Decode, RefusesIdsThatAreNoTokens) {
  const auto tokenizer = golden::bpe("gpt2");
  EXPECT_THROW(tokenizer->decode({tokenizer->size()}), CheckFailed);
  EXPECT_THROW(golden::spm(TokenizerMode::kHf)->decode({-1}), CheckFailed);
}

TEST(Encode, CountsBrokenBytesAsReplacementCharacters) {
  for (const auto& tokenizer : {golden::bpe("gpt2"), golden::spm(TokenizerMode::kHf)}) {
    EXPECT_EQ(tokenizer->encode("a\xFF\xE2\x82z"), tokenizer->encode("a\xEF\xBF\xBD\xEF\xBF\xBDz"));
  }
}

TEST(Encode, MergesALongRunInTime) {
  const auto tokenizer = golden::bpe("gpt2");
  const std::string text(1'000'000, 'a');
  const auto ids = tokenizer->encode(text);
  EXPECT_EQ(tokenizer->decode(ids), text);
}

TEST(Encode, IsTheSameFromManyThreads) {
  const auto tokenizer = golden::bpe("llama3");
  const auto& texts = golden::texts();
  std::vector<Ids> expected;
  for (const auto& text : texts) expected.push_back(tokenizer->encode(text));
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (std::size_t t = 0; t < texts.size(); ++t)
        wrong += tokenizer->encode(texts[t]) != expected[t];
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(StreamingDecoder, GivesTheWholeTextAndNeverHalfACharacter) {
  for (const auto& tokenizer :
       {golden::bpe("smollm"), golden::bpe("llama2"), golden::spm(TokenizerMode::kHfLegacy),
        golden::spm(TokenizerMode::kHf), golden::spm(TokenizerMode::kSpmNative)}) {
    for (std::size_t i = 0; i < golden::texts().size(); i += 3) {
      const auto ids = tokenizer->encode(golden::texts()[i]);
      if (ids.size() > 200) continue;
      StreamingDecoder decoder(*tokenizer);
      std::string text;
      for (const auto id : ids) {
        const auto fresh = decoder.push(id);
        ASSERT_FALSE(fresh.ends_with("\xEF\xBF\xBD"));
        text += fresh;
      }
      text += decoder.flush();
      ASSERT_EQ(text, tokenizer->decode(ids));
    }
  }
}

// A model may generate ids in any order: parts of characters, bytes that are not UTF-8, markers.
TEST(StreamingDecoder, GivesTheWholeTextOfRandomIds) {
  std::vector<std::unique_ptr<Tokenizer>> tokenizers;
  for (const char* family : {"gpt2", "llama2", "llama3", "metaspace_first", "nfkc", "qwen2"}) {
    tokenizers.push_back(golden::bpe(family));
  }
  for (const char* mode : {"hf", "hf_legacy", "hf_legacy_nostrip", "spm_native"}) {
    tokenizers.push_back(golden::spm(tokenizer_mode(mode)));
  }
  for (std::size_t t = 0; t < tokenizers.size(); ++t) {
    const auto& tokenizer = *tokenizers[t];
    for (std::uint64_t i = 0; i < 600; ++i) {
      RandomStream random(5, "streams", i);
      // Many low ids, because those are single bytes.
      const auto bound = static_cast<std::size_t>(tokenizer.size());
      const auto narrow = i % 2 == 0 ? bound : std::min<std::size_t>(bound, 260);
      Ids ids(1 + random.below(40));
      for (auto& id : ids) id = static_cast<std::int64_t>(random.below(narrow));
      StreamingDecoder decoder(tokenizer);
      std::string text;
      for (const auto id : ids) {
        const auto piece = decoder.push(id);
        ASSERT_NO_THROW(nlohmann::json(piece).dump()) << "a piece that is no UTF-8";
        ASSERT_FALSE(piece.ends_with("\xEF\xBF\xBD"));
        text += piece;
      }
      const auto last = decoder.flush();
      ASSERT_NO_THROW(nlohmann::json(last).dump());
      ASSERT_EQ(text + last, tokenizer.decode(ids)) << "tokenizer " << t << ", sequence " << i;
    }
  }
}

TEST(StreamingDecoder, KeepsWhatADecoderTakesBack) {
  const auto folder = golden::scratch("strip-end");
  write_file(folder / "tokenizer.json",
             R"({"model": {"type": "BPE", "vocab": {"a": 0, " ": 1}, "merges": []},
       "decoder": {"type": "Sequence", "decoders": [
          {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 1}]}})");
  const auto tokenizer = load_tokenizer(folder);
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(0), "a");
  EXPECT_EQ(decoder.push(1), "");
  EXPECT_EQ(decoder.push(0), " a");
  EXPECT_EQ(decoder.flush(), "");
}

TEST(StreamingDecoder, WaitsForTheEndOfARunOfByteTokens) {
  const auto tokenizer = golden::bpe("llama2");
  const auto byte = [&](const char* name) { return *tokenizer->id_of(name); };
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(byte("<0x41>")), "");
  EXPECT_EQ(decoder.push(byte("<0xE6>")), "");
  EXPECT_EQ(decoder.push(byte("a")),
            "\xEF\xBF\xBD\xEF\xBF\xBD"
            "a");  // the whole run is lost
}

TEST(StreamingDecoder, FlushesWhatStaysIncomplete) {
  const auto tokenizer = golden::bpe("gpt2");
  const auto ids = tokenizer->encode("\xE6\xBC\xA2");  // one character of three bytes
  ASSERT_EQ(ids.size(), 3u);
  StreamingDecoder decoder(*tokenizer);
  EXPECT_EQ(decoder.push(ids[0]), "");
  EXPECT_EQ(decoder.push(ids[1]), "");
  EXPECT_EQ(decoder.flush(), "\xEF\xBF\xBD");
}

// A hieroglyph of Unicode 16 is a letter in the regular expressions of the reference.
TEST(PreTokenizer, KnowsTheUnicodeOfTheReference) {
  const auto folder = golden::scratch("newer-letters");
  const auto ids = [&](const std::string& pattern, const std::string& text) {
    const nlohmann::json file = {
        {"model",
         {{"type", "BPE"},
          {"vocab",
           {{"\U00013D76", 0}, {"'", 1}, {"r", 2}, {"'r", 3}, {"\u3001", 4}, {"\u3001'", 5}}},
          {"merges", {"' r", "\u3001 '"}}}},
        {"pre_tokenizer",
         {{"type", "Split"}, {"behavior", "Isolated"}, {"pattern", {{"Regex", pattern}}}}}};
    write_file(folder / "tokenizer.json", file.dump());
    return load_tokenizer(folder)->encode(text);
  };
  const std::string text = "\U00013D76'r";
  EXPECT_EQ(ids(R"('r|\p{L}+|[^\p{L}]+)", text),
            (Ids{0, 3}));  // if it were not a letter: 𓵶' and r
  EXPECT_EQ(ids(R"(\p{L}|\P{L}r)", text), (Ids{0, 3}));
  EXPECT_EQ(ids(R"(\w|\W\w)", text), (Ids{0, 3}));
  // The ideographic comma is shared by several scripts and belongs to none.
  EXPECT_EQ(ids(R"(\p{Han})", "\u3001'"), (Ids{5}));
}

// The shortest texts for which the comparison with the references found differences.
TEST(Encode, KnowsTheUnicodeOfTheReference) {
  const auto nfkc = golden::bpe("nfkc");
  const auto unknown = nfkc->encode("\U0010FFFF");  // a character that has no piece
  EXPECT_EQ(nfkc->encode("\U0001E03B"), unknown);   // not the letter to which Unicode 15 maps it
  const auto qwen2 = golden::bpe("qwen2");
  // The first is not a mark in the reference, so they keep their order.
  const std::string marks = "a\u1AC1\u0323";
  EXPECT_EQ(qwen2->decode(qwen2->encode(marks)), marks);
  EXPECT_EQ(qwen2->decode(qwen2->encode("a\u0301\u0323")), "\u1EA1\u0301");
}

TEST(TokenizerMode, HasNamesThatErrorsList) {
  EXPECT_EQ(tokenizer_mode_name(tokenizer_mode("hf_legacy_nostrip")), "hf_legacy_nostrip");
  EXPECT_THAT([] { tokenizer_mode("legacy"); },
              ThrowsError<ConfigError>("tokenizer mode",
                                       "unknown \"legacy\" (did you mean \"hf_legacy\"?); known "
                                       "are hf hf_legacy hf_legacy_nostrip spm_native"));
}

TEST(SentencePiece, ReadsAddedTokensOfNewerFolders) {
  const auto folder = golden::scratch("decoder-list");
  std::filesystem::copy_file(golden::folder() / "spm/tokenizer.model", folder / "tokenizer.model");
  write_file(folder / "tokenizer_config.json",
             R"({"add_bos_token": false, "added_tokens_decoder": )"
             R"({"1": {"content": "<s>"}, "560": {"content": "[SEG]"}}})");
  const auto tokenizer = load_tokenizer(folder, TokenizerMode::kHfLegacy);
  EXPECT_EQ(tokenizer->id_of("[SEG]"), 560);
  EXPECT_FALSE(tokenizer->adds_bos());
}

// The ids of a continuation are the rest of the ids of the whole text.
TEST(EncodeAfter, ContinuesAText) {
  for (const auto& tokenizer :
       {golden::bpe("smollm"), golden::bpe("gpt2_prefix"), golden::bpe("llama2"),
        golden::spm(TokenizerMode::kHf), golden::spm(TokenizerMode::kHfLegacy),
        golden::spm(TokenizerMode::kSpmNative)}) {
    for (const std::string rest : {" The liver", "  two", " [SEG] x", " a [SEG]."}) {
      auto ids = tokenizer->encode("ASSISTANT:");
      const auto more = tokenizer->encode_after(rest, After::kText);
      ids.insert(ids.end(), more.begin(), more.end());
      EXPECT_EQ(ids, tokenizer->encode("ASSISTANT:" + rest)) << rest;
    }
  }
}

}  // namespace
}  // namespace medseg
