#include "medseg/base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/choice.h"

namespace medseg {

enum class Fruit { kApple, kPear, kNone };
template <>
struct Choice<Fruit> {
  static constexpr ChoiceNames<Fruit, 3> names = {
      {{Fruit::kApple, "apple"}, {Fruit::kPear, "pear"}, {Fruit::kNone, ""}}};
};

namespace {

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
  try {
    with_place("m.jsonl:7",
               [] { with_place("masks.m0", []() -> int { throw DataError("", "empty"); }); });
    FAIL() << "nothing was thrown";
  } catch (const DataError& error) {
    EXPECT_EQ(error.where(), "m.jsonl:7: masks.m0");
    EXPECT_STREQ(error.what(), "m.jsonl:7: masks.m0: empty");
  }
  EXPECT_EQ(with_place("nowhere", [] { return 5; }), 5);
}

TEST(Error, AnotherClassKeepsPlaceAndReason) {
  try {
    raised_as<CheckpointError>("bundle", [] { throw ConfigError("model.heads", "0 is too few"); });
    FAIL() << "nothing was thrown";
  } catch (const CheckpointError& error) {
    EXPECT_EQ(error.exit_code(), 4);
    EXPECT_EQ(error.where(), "bundle: model.heads");
    EXPECT_EQ(error.reason(), "0 is too few");
  }
}

TEST(Choice, HasOneNameEachAndSaysWhichAreKnown) {
  EXPECT_EQ(name_of(Fruit::kPear), "pear");
  EXPECT_EQ(choice_named<Fruit>("a.b", "apple"), Fruit::kApple);
  EXPECT_EQ(find_choice<Fruit>(""), Fruit::kNone);
  EXPECT_FALSE(find_choice<Fruit>("plum"));
  try {
    choice_named<Fruit>("a.b", "aple");
    FAIL() << "an unknown name was taken";
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.where(), "a.b");
    EXPECT_THAT(error.reason(), HasSubstr("did you mean \"apple\"?"));
    EXPECT_THAT(error.reason(), HasSubstr("apple pear \"\""));
  }
}

}  // namespace
}  // namespace medseg
