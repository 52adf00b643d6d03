#include <gtest/gtest.h>

#include "golden.h"
#include "medseg/base/random.h"

namespace medseg {
namespace {

// Writes a tokenizer.json and returns the error of loading it.
std::string error_of(const std::string& json) {
  const auto folder = golden::scratch("bad");
  write_file(folder / "tokenizer.json", json);
  try {
    load_tokenizer(folder);
  } catch (const CheckpointError& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with((folder / "tokenizer.json").string() + ": ")) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
    return message.substr((folder / "tokenizer.json").string().size() + 2);
  }
  return "no error";
}

std::string file_with(const std::string& model, const std::string& more = "") {
  return R"({"model": {"type": "BPE", )" + model + "}" + more + "}";
}

TEST(BadTokenizerJson, IsNamedInOneLine) {
  const std::string good = R"("vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"])";
  EXPECT_EQ(error_of(file_with(good)), "no error");
  EXPECT_EQ(error_of(file_with(good).substr(0, 40)), "is not whole JSON");
  EXPECT_EQ(error_of("[]"), "expected a JSON object");
  EXPECT_EQ(error_of("{}"), "model: missing");
  EXPECT_EQ(error_of("{\"a\":" + std::string(1'000'000, '[')),
            "is nested deeper than any tokenizer");
  EXPECT_EQ(error_of(file_with(good, R"(, "post_processor": {"type": 5})")),
            "post_processor.type: wrong type, got 5");
  EXPECT_EQ(error_of(file_with(good, R"(, "post_processor": {"type": "Cls"})")),
            "post_processor.type: unknown \"Cls\"; known are Sequence ByteLevel "
            "TemplateProcessing BertProcessing RobertaProcessing");
  const auto processor = [&](const std::string& single) {
    return file_with(
        good, R"(, "post_processor": {"type": "TemplateProcessing", "single": [)" + single + "]}");
  };
  const std::string text = R"({"Sequence": {"id": "A"}})";
  const std::string a = R"({"SpecialToken": {"id": "a"}})";
  EXPECT_EQ(error_of(processor(a + "," + text + "," + a)), "no error");
  EXPECT_EQ(error_of(processor(a + "," + a + "," + text)),
            "post_processor.single: puts \"a\" and \"a\" on one side of a text; at most one token "
            "is known");
  EXPECT_EQ(error_of(processor(a)), "post_processor.single: the text itself is missing");
  EXPECT_EQ(error_of(processor(R"({"SpecialToken": {"id": "<s>"}},)" + text)),
            "post_processor: \"<s>\" is not in the vocabulary");
  EXPECT_EQ(error_of(file_with(good + R"(, "dropout": 0.1)")),
            "model.dropout: 0.1 makes ids random; only 0 is known");
  EXPECT_EQ(error_of(file_with(good + R"(, "dropout": null)")), "no error");
  EXPECT_EQ(error_of(file_with(R"("vocab": {"a": 16777216}, "merges": [])")),
            "model.vocab: \"a\": expected an id, got 16777216");
  EXPECT_EQ(error_of(file_with("\"vocab\": {\"a\xFF\": 0}, \"merges\": []")), "is not whole JSON");
  EXPECT_EQ(error_of(R"({"model": {"type": "Unigram"}})"),
            "model.type: unknown \"Unigram\"; known are BPE");
  EXPECT_EQ(error_of(file_with(R"("vocab": {"a": 0}, "merges": ["a x"])")),
            "model.merges[0]: \"x\" is not in the vocabulary");
  EXPECT_EQ(error_of(file_with(R"("vocab": {"a": 0, "x": 1}, "merges": [["a", "x"]])")),
            "model.merges[0]: \"ax\" is not in the vocabulary");
  EXPECT_EQ(error_of(file_with(R"("vocab": {"a": 0}, "merges": ["a"])")),
            "model.merges[0]: expected two tokens, got \"a\"");
  EXPECT_EQ(error_of(file_with(R"("vocab": {"a": 0, "b": 0}, "merges": [])")),
            "model.vocab: \"a\" and \"b\" share the id 0");
  EXPECT_EQ(error_of(file_with(R"("vocab": {"a": 99999999999}, "merges": [])")),
            "model.vocab: \"a\": expected an id, got 99999999999");
  EXPECT_EQ(error_of(file_with(good + R"(, "unk_token": "<unk>")")),
            "model.unk_token: \"<unk>\" is not in the vocabulary");
  EXPECT_EQ(
      error_of(file_with(good, R"(, "pre_tokenizer": {"type": "Mecab"})")),
      "pre_tokenizer.type: unknown \"Mecab\"; known are Sequence Split ByteLevel Digits Metaspace");
  EXPECT_EQ(
      error_of(file_with(
          good, R"(, "normalizer": {"type": "Sequence", "normalizers": [{"type": "Bert"}]})")),
      "normalizer.normalizers[0].type: unknown \"Bert\"; known are Sequence NFC NFD NFKC NFKD "
      "Lowercase "
      "Strip Prepend Replace");
  EXPECT_EQ(error_of(file_with(good, R"(, "added_tokens": [{"id": 1, "content": "[SEG]"}])")),
            "added_tokens[0]: \"[SEG]\" and \"b\" share the id 1");
  EXPECT_EQ(
      error_of(file_with(
          good, R"(, "added_tokens": [{"id": 3, "content": "x"}, {"id": 3, "content": "y"}])")),
      "added_tokens[1]: \"y\" and \"x\" share the id 3");
  EXPECT_EQ(error_of(file_with(good, R"(, "added_tokens": [{"content": "x"}])")),
            "added_tokens[0].id: missing");
  const auto broken =
      error_of(file_with(good, R"x(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", )x"
                               R"x("pattern": {"Regex": "(a"}})x"));
  EXPECT_TRUE(
      broken.starts_with("pre_tokenizer.pattern: regular expression \"(a\": missing closing"))
      << broken;
}

// Patterns that PCRE2 reads otherwise than Oniguruma, for which the files are written, are refused.
TEST(BadTokenizerJson, NamesWhatARegularExpressionCannotMean) {
  const auto with = [](const std::string& pattern) {
    return error_of(file_with(
        R"("vocab": {"a": 0}, "merges": [])",
        R"(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": )" +
            nlohmann::json(pattern).dump() + "}}"));
  };
  const auto refused = [&](const std::string& pattern, const std::string& what) {
    EXPECT_EQ(with(pattern),
              "pre_tokenizer.pattern: regular expression \"" + pattern + "\": " + what);
  };
  refused("a(?m:.)", "unsupported flag m at byte 1");
  refused("(?is)a", "unsupported flag s at byte 0");
  refused("[a&&b]", "unsupported && of sets at byte 2");
  refused("[a[^b]]", "unsupported [^…] in a set at byte 3");
  refused("[\\W]", "unsupported \\W in a set at byte 1");
  refused("\\h", "unsupported \\h at byte 0");
  refused("[a", "missing ] at byte 2");
  EXPECT_EQ(with("[^(\\s|[.,!?\\]])]+|(?i:'s)|(?<!a)b|[]a]|[[:alpha:]_]"), "no error");
  EXPECT_EQ(with(std::string(20'000, 'a')),
            "pre_tokenizer.pattern: regular expression of 20000 bytes, longer than any");
  EXPECT_TRUE(
      with(std::string(2000, '(')).starts_with("pre_tokenizer.pattern: regular expression"));
  EXPECT_TRUE(
      with(std::string(2000, '[')).starts_with("pre_tokenizer.pattern: regular expression"));
}

TEST(BadTokenizerJson, NeverCrashesOnACutOrChangedFile) {
  const auto whole = read_file(golden::folder() / "bpe/llama3/tokenizer.json");
  RandomStream random(1, "bad-json");
  for (int i = 0; i < 120; ++i) {
    auto text = whole;
    if (i % 2 == 0) text.resize(random.below(whole.size()));
    for (int k = 0; k < 3 && !text.empty(); ++k) {
      text[random.below(text.size())] = static_cast<char>(random.below(256));
    }
    const auto folder = golden::scratch("changed");
    write_file(folder / "tokenizer.json", text);
    try {
      load_tokenizer(folder)->encode("It is [SEG]. 12");
    } catch (const CheckpointError& error) {
      EXPECT_NE(std::string(error.what()).find("tokenizer.json"), std::string::npos);
    }
  }
}

TEST(BadTokenizerJson, StopsARegularExpressionThatNeverEnds) {
  const auto folder = golden::scratch("redos");
  write_file(folder / "tokenizer.json",
             file_with(R"("vocab": {"a": 0}, "merges": [])",
                       R"x(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", )x"
                       R"x("pattern": {"Regex": "(a+)+$"}})x"));
  EXPECT_THROW(load_tokenizer(folder)->encode(std::string(60, 'a') + "b"), CheckpointError);
}

TEST(BadSentencePiece, IsNamedInOneLine) {
  const auto folder = golden::scratch("bad-spm");
  const auto fails = [&](const std::string& model, const std::string& added,
                         const std::string& expected) {
    write_file(folder / "tokenizer.model", model);
    write_file(folder / "added_tokens.json", added);
    try {
      load_tokenizer(folder, TokenizerMode::kHfLegacy);
      ADD_FAILURE() << "no error, expected " << expected;
    } catch (const CheckpointError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(folder.string())) << message;
      EXPECT_NE(message.find(expected), std::string::npos) << message;
    }
  };
  const auto good = read_file(golden::folder() / "spm/tokenizer.model");
  fails("", "{}", "tokenizer.model: is not a SentencePiece model");
  fails("garbage", "{}", "tokenizer.model: is not a SentencePiece model");
  fails(good.substr(0, good.size() / 2 - 3), "{}", "tokenizer.model: is not a SentencePiece model");
  fails(good, "{\"[SEG]\"", "added_tokens.json: is not whole JSON");
  fails(good, R"({"[SEG]": "x"})", "added_tokens.json: \"[SEG]\": expected an id, got \"x\"");
  fails(good, R"({"[SEG]": 560, "<p>": 560})", "share the id 560");
  fails(good, R"({"[SEG]": 600})", "has the id 600, but the next free one is 560");
  fails(good, R"({"[SEG]": 300})", "has the id 300 of the piece");
}

TEST(BadFolder, SaysWhatIsMissing) {
  const auto folder = golden::scratch("empty");
  EXPECT_THROW(load_tokenizer(folder), CheckpointError);
  EXPECT_THROW(load_tokenizer(folder / "nothing"), DataError);
}

}  // namespace
}  // namespace medseg
