// Faulty tokenizer files, given to the command as a user runs it: one line, exit code 4.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/random.h"
#include "support/tiny_bundle.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(MEDSEG_SOURCE_DIR) / "tests/golden/text";

fs::path scratch() {
  const auto folder =
      fs::temp_directory_path() / ("medseg-hostile-tokenizer-" + std::to_string(::getpid()));
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

struct Result {
  int code;
  std::string out, err;
};

Result tokenize(const fs::path& tokenizer, const std::string& input, const std::string& more = "") {
  const auto folder = fs::temp_directory_path() / ("medseg-tokenize-" + std::to_string(::getpid()));
  fs::create_directories(folder);
  write_file(folder / "in", input);
  const auto file = [&](const char* name) { return (folder / name).string(); };
  const std::string command = std::string("timeout 60 ") + MEDSEG_BINARY +
                              " tokenize --tokenizer " + tokenizer.string() + more + " < " +
                              file("in") + " > " + file("out") + " 2> " + file("err");
  const int status = std::system(command.c_str());
  const Result result{WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                      read_file(file("out")), read_file(file("err"))};
  fs::remove_all(folder);
  return result;
}

void expect_refused(const fs::path& tokenizer, const std::string& what,
                    const std::string& input = "a b\n") {
  const auto result = tokenize(tokenizer, input);
  EXPECT_EQ(result.code, 4) << what << ": " << result.err;
  EXPECT_TRUE(result.err.starts_with("medseg: ")) << what << ": " << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << what << result.err;
  EXPECT_LT(result.err.size(), 1000u) << what;
}

std::string json_file(const std::string& model, const std::string& more = "") {
  return R"({"model": {"type": "BPE", )" + model + "}" + more + "}";
}

std::string split(const std::string& regex) {
  return R"x(, "pre_tokenizer": {"type": "Split", "behavior": "Isolated", )x"
         R"x("pattern": {"Regex": ")x" +
         regex + R"x("}})x";
}

TEST(HostileTokenizerIntegration, JsonIsRefusedInOneLine) {
  const auto folder = scratch();
  const auto whole = read_file(kGolden / "bpe/llama3/tokenizer.json");
  const std::string good = R"("vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"])";
  const std::pair<const char*, std::string> files[] = {
      {"empty", ""},
      {"truncated", whole.substr(0, whole.size() / 2)},
      {"one byte", "{"},
      {"a list", "[]"},
      {"deep", "{\"model\":" + std::string(3'000'000, '[')},
      {"deep objects", std::string([] {
         std::string text;
         for (int i = 0; i < 200'000; ++i) text += "{\"a\":";
         return text;
       }())},
      {"huge id", json_file(R"("vocab": {"a": 4294967295}, "merges": [])")},
      {"huger id", json_file(R"("vocab": {"a": 18446744073709551615}, "merges": [])")},
      {"negative id", json_file(R"("vocab": {"a": -1}, "merges": [])")},
      {"broken id", json_file(R"("vocab": {"a": 0.5}, "merges": [])")},
      {"duplicate id", json_file(R"("vocab": {"a": 0, "b": 0}, "merges": [])")},
      {"no vocabulary", json_file(R"("vocab": {}, "merges": [])")},
      {"list vocabulary", json_file(R"("vocab": ["a"], "merges": [])")},
      {"merge of nothing", json_file(R"("vocab": {"a": 0}, "merges": ["a x"])")},
      {"merge to nothing", json_file(R"("vocab": {"a": 0, "b": 1}, "merges": ["a b"])")},
      {"merge of three", json_file(R"("vocab": {"a": 0}, "merges": [["a", "a", "a"]])")},
      {"unknown model", R"({"model": {"type": "WordPiece", "vocab": {"a": 0}}})"},
      {"no UTF-8", json_file("\"vocab\": {\"a\xC3\x28\": 0}, \"merges\": []")},
      {"line break in a name", json_file(R"("vocab": {"a": 0}, "merges": ["a x\ny"])")},
      {"added id", json_file(good, R"(, "added_tokens": [{"id": 9999999, "content": "x"}])")},
      {"added twice",
       json_file(good,
                 R"(, "added_tokens": [{"id": 3, "content": "x"}, {"id": 4, "content": "x"}])")},
      {"added over another", json_file(good, R"(, "added_tokens": [{"id": 1, "content": "x"}])")},
      {"open group", json_file(good, split("(a"))},
      {"nested groups", json_file(good, split(std::string(9000, '(')))},
      {"nested counts", json_file(good, split("((((a{1,1000}){1,1000}){1,1000}){1,1000})"))},
      {"explosion", json_file(good, split("(a+)+$"))},
      {"explosion of choices", json_file(good, split("(a|aa)+$"))},
      {"recursion", json_file(good, split("(a(?1)?b|a)*c"))},
  };
  const std::string bait = std::string(20'000, 'a') + "!\n";
  for (const auto& [what, bytes] : files) {
    write_file(folder / "tokenizer.json", bytes);
    const std::string name = what;
    // May be valid, but then it must be quick.
    if (name == "recursion" || name == "nested counts") {
      const auto result = tokenize(folder, bait);
      EXPECT_TRUE(result.code == 0 || result.code == 4) << what << ": " << result.err;
    } else {
      expect_refused(folder, what, bait);
    }
  }
  fs::remove_all(folder);
}

TEST(HostileTokenizerIntegration, SentencePieceIsRefusedInOneLine) {
  const auto folder = scratch();
  const auto good = read_file(kGolden / "spm/tokenizer.model");
  std::string noise(5000, '\0');
  RandomStream random(3, "noise");
  for (auto& c : noise) c = static_cast<char>(random.below(256));
  // One more piece, of two bytes that are not UTF-8.
  const auto broken_piece = good + std::string("\x0A\x09\x0A\x02\xFF\xFE\x15\0\0\0\0", 11);
  const std::pair<const char*, std::string> files[] = {
      {"empty", ""},
      {"noise", noise},
      {"noise behind a brace", "\x0A" + noise},
      {"truncated", good.substr(0, good.size() / 2 - 3)},
      {"huge length", std::string("\x0A\xFF\xFF\xFF\xFF\x0F") + good},
      {"twice", good + good},
      {"no UTF-8", broken_piece},
  };
  for (const auto& [what, bytes] : files) {
    write_file(folder / "tokenizer.model", bytes);
    expect_refused(folder, what);
    expect_refused(folder / "tokenizer.model", what);
  }
  write_file(folder / "tokenizer.model", good);
  const std::pair<const char*, const char*> others[] = {
      {"added_tokens.json", "{"},
      {"added_tokens.json", R"({"x": 99999999999})"},
      {"added_tokens.json", R"({"x": 560, "y": 560})"},
      {"special_tokens_map.json", R"({"bos_token": {}})"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": {"-1": {"content": "x"}}})"},
      {"tokenizer_config.json", R"({"added_tokens_decoder": []})"},
  };
  for (const auto& [file, bytes] : others) {
    write_file(folder / file, bytes);
    expect_refused(folder, std::string(file) + ": " + bytes);
    fs::remove(folder / file);
  }
  fs::remove_all(folder);
}

// With any single byte changed, the command ends by itself with 0 or 4.
TEST(HostileTokenizerIntegration, ChangedModelsEndInOrder) {
  const auto folder = scratch();
  const auto good = read_file(kGolden / "spm/tokenizer.model");
  for (std::uint64_t i = 0; i < 40; ++i) {
    RandomStream random(4, "changed", i);
    auto bytes = good;
    for (auto changes = 1 + random.below(4); changes > 0; --changes) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    write_file(folder / "tokenizer.model", bytes);
    const auto result = tokenize(folder, "It is [SEG]. 12 mm\n");
    EXPECT_TRUE(result.code == 0 || result.code == 4) << i << ": " << result.code << result.err;
  }
  fs::remove_all(folder);
}

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text.push_back(static_cast<char>(value >> (8 * i)));
  return text;
}
std::string name(const std::string& text) { return number(text.size(), 8) + text; }
std::string text_value(const std::string& key, const std::string& value) {
  return name("tokenizer.ggml." + key) + number(8, 4) + name(value);
}
std::string text_list(const std::string& key, const std::vector<std::string>& values) {
  auto bytes =
      name("tokenizer.ggml." + key) + number(9, 4) + number(8, 4) + number(values.size(), 8);
  for (const auto& value : values) bytes += name(value);
  return bytes;
}
std::string gguf(const std::vector<std::string>& values) {
  std::string bytes = "GGUF" + number(3, 4) + number(0, 8) + number(values.size(), 8);
  for (const auto& value : values) bytes += value;
  return bytes + std::string(64, '\0');
}

TEST(HostileTokenizerIntegration, GgufIsRefusedInOneLine) {
  const auto file = scratch() / "v.gguf";
  const auto model = text_value("model", "gpt2"), pre = text_value("pre", "gpt-2");
  const auto tokens = text_list("tokens", {"a", "b", "ab"});
  write_file(file, gguf({model, pre, tokens, text_list("merges", {"a b"})}));
  EXPECT_EQ(tokenize(file, "ab\n").out, "{\"ids\":[2],\"decoded\":\"ab\"}\n");
  const std::pair<const char*, std::string> files[] = {
      {"no vocabulary", gguf({})},
      {"another model", gguf({text_value("model", "bert"), pre, tokens})},
      {"another pre-tokenizer", gguf({model, text_value("pre", "klingon"), tokens})},
      {"no tokens", gguf({model, pre})},
      {"token twice", gguf({model, pre, text_list("tokens", {"a", "a"})})},
      {"no UTF-8", gguf({model, pre, text_list("tokens", {"a", "\xFF"})})},
      {"merge of nothing", gguf({model, pre, tokens, text_list("merges", {"a x"})})},
      {"merge of one", gguf({model, pre, tokens, text_list("merges", {"a"})})},
      {"truncated", gguf({model, pre, tokens}).substr(0, 120)},
      {"huge list",
       gguf({model, pre,
             name("tokenizer.ggml.tokens") + number(9, 4) + number(8, 4) + number(1ULL << 60, 8)})},
  };
  for (const auto& [what, bytes] : files) {
    write_file(file, bytes);
    expect_refused(file, what);
  }
  fs::remove_all(file.parent_path());
}

TEST(TokenizeIntegration, OpensEveryKindOfTokenizer) {
  const std::string text = "It is [SEG].\n";
  const auto folder = tokenize(kGolden / "bpe/smollm", text);
  EXPECT_EQ(folder.code, 0) << folder.err;
  EXPECT_EQ(tokenize(kGolden / "bpe/smollm/tokenizer.json", text).out, folder.out);
  const auto spm = tokenize(kGolden / "spm", text, " --mode hf_legacy_nostrip");
  EXPECT_EQ(spm.code, 0) << spm.err;
  EXPECT_EQ(tokenize(kGolden / "spm/tokenizer.model", text, " --mode hf_legacy_nostrip").out,
            spm.out);

  const auto place = scratch();
  save_tiny_bundle(tiny_bundle(), place / "bundle");
  EXPECT_EQ(tokenize(place / "bundle", text).out, folder.out);
  // The bundle's own mode is the default. The error for an unknown mode names the bundle.
  fs::copy(kGolden / "spm", place / "modes");
  write_file(place / "modes/config.json", R"({"tokenizer_mode": "hf_legacy_nostrip"})");
  EXPECT_EQ(tokenize(place / "modes", text).out, spm.out);
  EXPECT_NE(tokenize(place / "modes", text, " --mode hf_legacy").out, spm.out);
  write_file(place / "modes/config.json", R"({"tokenizer_mode": "slow"})");
  const auto slow = tokenize(place / "modes", text);
  EXPECT_EQ(slow.code, 4) << slow.err;
  EXPECT_NE(slow.err.find("config.json: tokenizer_mode: unknown \"slow\""), std::string::npos)
      << slow.err;
  fs::remove_all(place);
}

}  // namespace
}  // namespace medseg
