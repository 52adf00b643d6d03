#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/config/fields.h"
#include "medseg/config/load.h"
#include "support/temp_folder_fixture.h"
#include "support/throws.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct InnerOptions {
  double rate = 0.5;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("rate", self.rate, in_range(0, 1), "share of the whole");
  }
};

struct OuterOptions {
  std::int64_t steps = 10;
  int small = 0;
  bool on = false;
  std::string name = "x";
  InnerOptions inner;
  std::vector<double> list = {1, 2};
  std::vector<InnerOptions> many;
  std::map<std::string, std::int64_t> ids;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("steps", self.steps, at_least(1));
    visit("small", self.small);
    visit("on", self.on);
    visit("name", self.name);
    visit("inner", self.inner);
    visit("list", self.list);
    visit("many", self.many);
    visit("ids", self.ids);
  }
};

std::string error_of(const char* json) {
  OuterOptions options;
  try {
    read_options(nlohmann::json::parse(json), options, "train");
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "";
}

TEST(Fields, KeepsDefaultsOfAbsentKeys) {
  OuterOptions options;
  read_options(nlohmann::json::parse(R"({"inner": {"rate": 0.25}})"), options);
  EXPECT_EQ(options.steps, 10);
  EXPECT_EQ(options.inner.rate, 0.25);
}

TEST(Fields, WritesBackWhatItRead) {
  OuterOptions options{.steps = 3,
                       .small = 2,
                       .on = true,
                       .name = "y",
                       .inner = {.rate = 1.0},
                       .list = {},
                       .many = {{.rate = 0.5}, {.rate = 0.75}},
                       .ids = {{"[SEG]", 7}}};
  OuterOptions copy;
  read_options(write_options(options), copy);
  EXPECT_EQ(write_options(copy), write_options(options));
  EXPECT_EQ(copy.many.at(1).rate, 0.75);
  EXPECT_EQ(copy.ids.at("[SEG]"), 7);
}

TEST(Fields, NamesTheUnknownKeyByItsPathAndTheNearestKnown) {
  EXPECT_EQ(error_of(R"({"inner": {"rat": 0.5}})"),
            "train.inner.rat: unknown key (did you mean \"rate\"?); known are rate");
}

TEST(Fields, RejectsWrongTypesAndRanges) {
  EXPECT_EQ(error_of(R"({"steps": "ten"})"), "train.steps: wrong type, got \"ten\"");
  EXPECT_EQ(error_of(R"({"steps": 1.5})"), "train.steps: wrong type, got 1.5");
  EXPECT_EQ(error_of(R"({"on": 1})"), "train.on: wrong type, got 1");
  EXPECT_EQ(error_of(R"({"small": 3000000000})"), "train.small: 3000000000 is out of range");
  EXPECT_EQ(error_of(R"({"inner": {"rate": 2}})"), "train.inner.rate: 2 is out of range");
  EXPECT_EQ(error_of(R"({"inner": 3})"), "train.inner: expected an object");
  EXPECT_EQ(error_of(R"({"list": [1, "b"]})"), "train.list[1]: wrong type, got \"b\"");
  EXPECT_EQ(error_of(R"({"many": [{"rate": 1}, {"rate": 5}]})"),
            "train.many[1].rate: 5 is out of range");
}

enum class Colour { kRed, kGreen };

}  // namespace

template <>
struct Choice<Colour> {
  static constexpr ChoiceNames<Colour, 2> names = {
      {{Colour::kRed, "red"}, {Colour::kGreen, "green"}}};
};

namespace {

struct PaintOptions {
  Colour wall = Colour::kGreen;
  std::vector<Colour> doors = {Colour::kRed};

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("wall", self.wall, {}, "of the outer wall");
    visit("doors", self.doors);
  }
};

TEST(Fields, AChoiceIsReadWrittenAndDescribedByItsNames) {
  PaintOptions paint;
  read_options(nlohmann::json::parse(R"({"wall": "red", "doors": ["green", "red"]})"), paint);
  EXPECT_EQ(paint.wall, Colour::kRed);
  EXPECT_EQ(paint.doors, (std::vector{Colour::kGreen, Colour::kRed}));
  EXPECT_EQ(write_options(paint).dump(), R"({"doors":["green","red"],"wall":"red"})");
  for (const auto& field : describe_options(paint)) EXPECT_EQ(field.choices.size(), 2U);
  EXPECT_THAT([&] { read_options(nlohmann::json::parse(R"({"wall": "blue"})"), paint, "house"); },
              ThrowsError<ConfigError>("house.wall", "unknown \"blue\"; known are red green"));
}

TEST(Fields, DescribesEveryFieldWithItsDefault) {
  const auto fields = describe_options(InnerOptions{}, "a");
  ASSERT_EQ(fields.size(), 1U);
  EXPECT_EQ(fields[0].path, "a.rate");
  EXPECT_EQ(fields[0].value, "0.5");
  EXPECT_EQ(fields[0].description, "share of the whole");
}

class LoadTest : public TempFolderTest {
 protected:
  fs::path write(const std::string& name, const std::string& text) {
    write_file(folder_ / name, text);
    return folder_ / name;
  }
  std::string error_of(const fs::path& path, const std::vector<std::string>& overrides = {}) {
    try {
      load_config(path, overrides);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(LoadTest, MergesWhatItExtendsAndAppliesOverridesLast) {
  write("base/base.json", R"({"a": {"x": 1, "y": 2}, "list": [1, 2, 3]})");
  const auto path = write("top.json", R"({
    // A comment.
    "extends": "base/base.json", "a": {"y": 5}, "list": [9]})");
  const auto json = load_config(path, {"a.x=7", "a.word=hello", "b.c=[1]"});
  EXPECT_EQ(json, nlohmann::json::parse(
                      R"({"a": {"x": 7, "y": 5, "word": "hello"}, "list": [9], "b": {"c": [1]}})"));
}

TEST_F(LoadTest, NamesTheLineOfBadJson) {
  const auto path = write("bad.json", "{\n  \"a\": 1,\n  b\n}");
  EXPECT_THAT([&] { load_config(path); },
              ThrowsError<ConfigError>(path.string() + ":3", "not JSON near byte 15"));
}

TEST_F(LoadTest, RefusesCyclesMissingFilesAndBadOverrides) {
  write("one.json", R"({"extends": "two.json"})");
  write("two.json", R"({"extends": "one.json"})");
  EXPECT_NE(error_of(folder_ / "one.json").find("a cycle"), std::string::npos);
  const auto none = folder_ / "none.json";
  EXPECT_THAT([&] { load_config(none); },
              ThrowsError<ConfigError>(none.string(), "cannot open: No such file or directory"));
  const auto path = write("ok.json", R"({"a": 1})");
  EXPECT_THAT([&] { load_config(path, {"a"}); },
              ThrowsError<ConfigError>("--set a", "expected a.b=value"));
  EXPECT_EQ(error_of(path, {"a.b=1"}), "--set a.b=1: b is not inside an object");
}

TEST(ParseJson, ANumberBeyondADoubleIsAFaultOfTheFile) {
  EXPECT_THAT([] { parse_json(R"({"lr": 1e999})", "train.json"); },
              ThrowsError<ConfigError>("train.json", "a number is beyond what a double holds"));
}

}  // namespace
}  // namespace medseg
