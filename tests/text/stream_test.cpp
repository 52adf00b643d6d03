#include <gtest/gtest.h>

#include "golden.h"
#include "medseg/base/str.h"
#include "text_stream.h"

namespace medseg {
namespace {

class BpeStream : public testing::TestWithParam<std::string> {};

TEST_P(BpeStream, GivesTheIdsOfTheTokenizersPackage) {
  const auto tokenizer = golden::bpe(GetParam());
  const auto expected = golden::read("stream/" + GetParam() + ".json");
  golden::expect_stream(expected["ids"], [&](const std::string& text) {
    return golden::ids_text(tokenizer->encode(text));
  });
  golden::expect_stream(expected["decoded"], [&](const std::string& text) {
    return tokenizer->decode(tokenizer->encode(text));
  });
}

INSTANTIATE_TEST_SUITE_P(Families, BpeStream,
                         testing::Values("gpt2", "gpt2_prefix", "smollm", "llama3", "qwen2",
                                         "llama2", "metaspace_always", "metaspace_first",
                                         "metaspace_never", "nfkc"),
                         [](const auto& each) { return each.param; });

class SpmStream : public testing::TestWithParam<std::string> {};

TEST_P(SpmStream, GivesTheIdsOfTheReference) {
  const auto tokenizer = golden::spm(tokenizer_mode(GetParam()));
  const auto expected = golden::read("stream/" + GetParam() + ".json");
  golden::expect_stream(expected["ids"], [&](const std::string& text) {
    auto ids = tokenizer->encode(text);
    if (tokenizer->adds_bos()) ids.insert(ids.begin(), *tokenizer->bos());
    return golden::ids_text(ids);
  });
  if (!expected.contains("decoded")) return;
  golden::expect_stream(expected["decoded"], [&](const std::string& text) {
    return tokenizer->decode(tokenizer->encode(text));
  });
}

INSTANTIATE_TEST_SUITE_P(Modes, SpmStream,
                         testing::Values("hf", "hf_legacy", "hf_legacy_nostrip", "spm_native"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace medseg
