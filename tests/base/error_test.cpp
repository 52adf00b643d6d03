#include "medseg/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/choice.h"
#include "support/throws.h"

namespace medseg {

enum class Fruit { kApple, kPear, kNone };
template <>
struct Choice<Fruit> {
  static constexpr ChoiceNames<Fruit, 3> names = {
      {{Fruit::kApple, "apple"}, {Fruit::kPear, "pear"}, {Fruit::kNone, ""}}};
};

namespace {

using ::testing::AllOf;
using ::testing::Eq;
using ::testing::HasSubstr;

TEST(Error, KeepsPlaceAndReasonApart) {
  const DataError error("a.png", "cut short");
  EXPECT_EQ(error.where(), "a.png");
  EXPECT_EQ(error.reason(), "cut short");
  EXPECT_STREQ(error.what(), "a.png: cut short");
  EXPECT_EQ(error.exit_code(), 3);
  EXPECT_STREQ(DataError("cut short").what(), "cut short");
}

TEST(Error, AWiderPlaceIsPutInFrontAndTheClassStays) {
  const auto fails = [] {
    with_place("m.jsonl:7",
               [] { with_place("masks.m0", []() -> int { throw DataError("", "empty"); }); });
  };
  EXPECT_THAT(fails, ThrowsError<DataError>("m.jsonl:7: masks.m0", "empty"));
  EXPECT_THAT(fails, ::testing::ThrowsMessage<DataError>("m.jsonl:7: masks.m0: empty"));
  EXPECT_EQ(with_place("nowhere", [] { return 5; }), 5);
}

TEST(Error, AnotherClassKeepsPlaceAndReason) {
  const auto fails = [] {
    raised_as<CheckpointError>("bundle", [] { throw ConfigError("model.heads", "0 is too few"); });
  };
  EXPECT_THAT(fails, ThrowsError<CheckpointError>("bundle: model.heads", Eq("0 is too few")));
  EXPECT_THAT(fails, ::testing::Throws<CheckpointError>(
                         ::testing::Property("exit_code", &Error::exit_code, 4)));
}

TEST(Choice, HasOneNameEachAndSaysWhichAreKnown) {
  EXPECT_EQ(name_of(Fruit::kPear), "pear");
  EXPECT_EQ(choice_named<Fruit>("a.b", "apple"), Fruit::kApple);
  EXPECT_EQ(find_choice<Fruit>(""), Fruit::kNone);
  EXPECT_FALSE(find_choice<Fruit>("plum"));
  EXPECT_THAT([] { choice_named<Fruit>("a.b", "aple"); },
              ThrowsError<ConfigError>("a.b", AllOf(HasSubstr("did you mean \"apple\"?"),
                                                    HasSubstr("apple pear \"\""))));
}

}  // namespace
}  // namespace medseg
