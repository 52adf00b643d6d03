#include "medseg/curation/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/curation/prompt_stage.h"
#include "medseg/curation/schema.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

using ::testing::HasSubstr;

class JournalFile : public TempFolderTest {
 protected:
  std::filesystem::path path() const { return folder_ / "journal.sqlite"; }
};

TEST_F(JournalFile, KeepsAnswersAndFindsTheGoodOnes) {
  {
    Journal journal(path(), Journal::Use::kGoOn);
    const auto first = journal.asked({"k", "p", "describe", 1, "m", "[]"});
    journal.answered(first, {.status = 503, .text = "busy", .finish = ""});
    EXPECT_FALSE(journal.find("k"));
    EXPECT_EQ(journal.totals().in_doubt, 0);
    const auto second = journal.asked({"k", "p", "describe", 1, "m", "[]"});
    EXPECT_EQ(journal.totals().in_doubt, 1);
    journal.answered(second, {.status = 200,
                              .text = "{}",
                              .finish = "stop",
                              .prompt_tokens = 5,
                              .answer_tokens = 6,
                              .price = 0.25});
  }
  Journal journal(path(), Journal::Use::kReplay);
  ASSERT_TRUE(journal.find("k"));
  EXPECT_EQ(journal.find("k")->text, "{}");
  const auto totals = journal.totals();
  EXPECT_EQ(totals.requests, 2);
  EXPECT_EQ(totals.failures, 1);
  EXPECT_EQ(totals.answer_tokens, 6);
  EXPECT_DOUBLE_EQ(totals.price, 0.25);
}

TEST_F(JournalFile, OnlyGrows) {
  { Journal journal(path(), Journal::Use::kGoOn); }
  Database file(path(), 0x6d734a31);
  file.execute(
      "INSERT INTO requests (time, key, picture, stage, version, model, prompt) "
      "VALUES ('t', 'k', 'p', 's', 1, 'm', '[]')");
  EXPECT_THAT([&] { file.execute("DELETE FROM requests"); },
              ThrowsError<DataError>(path().string(), "append-only"));
  EXPECT_THAT([&] { file.execute("UPDATE requests SET key = 'x'"); },
              ThrowsError<DataError>(path().string(), "append-only"));
}

TEST_F(JournalFile, RefusesOtherFiles) {
  write_file(path(), "no database at all, but long enough to have a head of its own ..........");
  EXPECT_THAT([&] { Journal(path(), Journal::Use::kGoOn); },
              ThrowsError<DataError>(path().string(), "not a database"));
  std::filesystem::remove(path());
  {
    Database other(path(), 7);
    other.execute("CREATE TABLE t (x)");
  }
  EXPECT_THAT([&] { Journal(path(), Journal::Use::kGoOn); },
              ThrowsError<DataError>(path().string(), "another program"));
}

TEST_F(JournalFile, TransactionsAreWholeOrNothing) {
  Database file(path(), 1);
  file.execute("CREATE TABLE t (x)");
  EXPECT_THROW(file.transaction([&] {
    file.query("INSERT INTO t VALUES (?)", {std::int64_t{1}});
    throw std::runtime_error("no");
  }),
               std::runtime_error);
  EXPECT_EQ(file.query("SELECT count(*) FROM t").at(0).whole(0), 0);
}

TEST(Schema, FindsTheFirstFaultWithItsPath) {
  const auto schema = nlohmann::json::parse(R"({"type": "object", "required": ["turns"],
    "properties": {"turns": {"type": "array", "minItems": 1, "maxItems": 2, "items":
      {"type": "object", "required": ["q"], "additionalProperties": false,
       "properties": {"q": {"type": "string", "minLength": 2, "maxLength": 4},
                      "kind": {"enum": ["a", "b"]}}}}}})");
  check_schema(schema, "schema");
  const auto fault = [&](const char* text) {
    return schema_fault(nlohmann::json::parse(text), schema);
  };
  EXPECT_EQ(fault(R"({"turns": [{"q": "abc", "kind": "a"}], "more": 1})"), "");
  EXPECT_EQ(fault(R"({})"), "turns: missing");
  EXPECT_EQ(fault(R"([])"), "expected object, got array");
  EXPECT_EQ(fault(R"({"turns": {}})"), "turns: expected array, got object");
  EXPECT_EQ(fault(R"({"turns": []})"), "turns: 0 items, expected 1 to 2");
  EXPECT_EQ(fault(R"({"turns": [{}]})"), "turns[0].q: missing");
  EXPECT_EQ(fault(R"({"turns": [{"q": ""}]})"), "turns[0].q: empty");
  EXPECT_EQ(fault(R"({"turns": [{"q": "abcde"}]})"), "turns[0].q: too long");
  EXPECT_EQ(fault(R"({"turns": [{"q": "abc", "x": 1}]})"), "turns[0].x: unknown key");
  EXPECT_EQ(fault(R"({"turns": [{"q": "abc", "kind": "c"}]})"),
            R"(turns[0].kind: "c" is none of ["a","b"])");
  EXPECT_THAT(
      [] {
        check_schema({{"pattern", "x"}}, "schema");
      },
      ThrowsError<ConfigError>("schema.pattern", "not known"));
}

TEST(JsonInText, IsFoundInProse) {
  EXPECT_TRUE(json_in_text(R"({"a": 1})"));
  EXPECT_EQ(json_in_text("Sure {thing}:\n```json\n{\"a\": \"}\\\"{\"}\n```\nBye")->at("a"), "}\"{");
  EXPECT_FALSE(json_in_text("none"));
  EXPECT_FALSE(json_in_text("{\"a\": 1"));
  EXPECT_FALSE(json_in_text("[1]"));
  EXPECT_FALSE(json_in_text(std::string(100000, '{')));
}

TEST_F(JournalFile, PromptFilesAreCheckedWhenRead) {
  const std::string folder = std::string(MEDSEG_SOURCE_DIR) + "/configs/annotate/";
  for (const auto& name : annotation_stages())
    EXPECT_NO_THROW(read_prompt_stage(folder + name + ".json"));
  const auto reading = [this](const std::string& text) {
    write_file(folder_ / "s.json", text);
    return [this] { read_prompt_stage(folder_ / "s.json"); };
  };
  const std::string where = (folder_ / "s.json").string();
  EXPECT_THAT(reading(R"({"stage": "s", "user": ["{{fact}}"], "schema": {}})"),
              ThrowsError<ConfigError>(HasSubstr(where), "unknown {{fact}}"));
  EXPECT_THAT(reading(R"({"stage": "t", "user": ["x"], "schema": {}})"),
              ThrowsError<ConfigError>(HasSubstr(where), "file of another name"));
  EXPECT_THAT(reading(R"({"stage": "s", "user": ["x"]})"),
              ThrowsError<ConfigError>(HasSubstr(where), "missing"));
}

TEST(PromptMessages, ValuesFillInNothingThemselves) {
  PromptStage stage;
  stage.user = {"Facts: {{facts}}"};
  const auto messages = stage.messages({{"facts", "{{absent}}"}});
  EXPECT_EQ(messages[1]["content"], "Facts: {{absent}}");
}

}  // namespace
}  // namespace medseg
