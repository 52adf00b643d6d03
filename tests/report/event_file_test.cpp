#include "medseg/report/event_file.h"

#include <fstream>
#include <limits>

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "support/event_reader.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

class EventFiles : public ::testing::Test {
 protected:
  const TempFolder temporary_{"events"};
  const fs::path folder_ = temporary_ / "run";  // which the file's writer makes
};

TEST_F(EventFiles, TheReadersSumIsThatOfTheStandard) {
  EXPECT_EQ(bitwise_crc32c("123456789"), 0xe3069283U);            // RFC 3720
  EXPECT_EQ(bitwise_crc32c(std::string(32, '\0')), 0x8a9136aaU);  // the same, B.4
}

TEST_F(EventFiles, ScalarsComeBackWithTheirStepsAndTags) {
  const EventFile file(folder_);
  EXPECT_TRUE(EventFile::is_event_file(file.path()));
  file.add_scalars(7, {{"train/loss", 0.25}, {"train/lr", 3e-4}});
  file.add_scalars(std::int64_t{1} << 40, {{"train/loss", -1e30}});
  file.sync();
  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].text(3), "brain.Event:2");
  EXPECT_EQ(events[1].number(2), 7U);
  EXPECT_GT(events[1].real(1), 1.7e9);  // seconds since 1970
  const auto values = events[1].message(5).messages(1);
  ASSERT_EQ(values.size(), 2U);
  EXPECT_EQ(values[0].text(1), "train/loss");
  EXPECT_EQ(values[0].real32(2), 0.25F);
  EXPECT_EQ(values[1].text(1), "train/lr");
  EXPECT_EQ(values[1].real32(2), 3e-4F);
  EXPECT_EQ(events[2].number(2), std::uint64_t{1} << 40);
  EXPECT_EQ(events[2].message(5).message(1).real32(2), -1e30F);
}

TEST_F(EventFiles, WhatIsNotFiniteIsLeftOut) {
  const EventFile file(folder_);
  const double none = std::numeric_limits<double>::quiet_NaN();
  file.add_scalars(1, {{"a", none}, {"b", 1.0}, {"c", std::numeric_limits<double>::infinity()}});
  file.add_scalars(2, {{"a", none}});
  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 2U);
  const auto values = events[1].message(5).messages(1);
  ASSERT_EQ(values.size(), 1U);
  EXPECT_EQ(values[0].text(1), "b");
}

TEST_F(EventFiles, APictureIsTheSamePng) {
  Image image{3, 2, 3, {}};
  for (int i = 0; i < 18; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 13));
  const EventFile file(folder_);
  file.add_image(5, "answers/val/1", image);
  const auto value = read_events(file.path()).at(1).message(5).message(1);
  EXPECT_EQ(value.text(1), "answers/val/1");
  const auto picture = value.message(4);
  EXPECT_EQ(picture.number(1), 2U);  // height
  EXPECT_EQ(picture.number(2), 3U);
  EXPECT_EQ(picture.number(3), 3U);  // RGB
  EXPECT_EQ(picture.text(4), encode_png(image));
}

TEST_F(EventFiles, TextIsATensorOfTheTextPlugin) {
  const EventFile file(folder_);
  file.add_text(0, "config", "caf\xc3\xa9 \xff torn");
  const auto value = read_events(file.path()).at(1).message(5).message(1);
  const auto tensor = value.message(8);
  EXPECT_EQ(tensor.number(1), 7U);  // DT_STRING
  EXPECT_EQ(tensor.message(2).message(2).number(1), 1U);
  EXPECT_EQ(tensor.text(8), "caf\xc3\xa9 \xef\xbf\xbd torn");
  EXPECT_EQ(value.message(9).message(1).text(1), "text");
}

TEST_F(EventFiles, HyperparametersHaveNamesTypesAndValues) {
  const EventFile file(folder_);
  file.add_hyperparameters(
      {{"train.lr", 3e-4}, {"train.ema", true}, {"train.device", std::string("cpu")}},
      {"evaluation/val/giou"});
  file.finish_hyperparameters();
  const auto events = read_events(file.path());
  ASSERT_EQ(events.size(), 4U);
  const auto plugin = [&](std::size_t i, const std::string& tag, int field) {
    const auto value = events[i].message(5).message(1);
    EXPECT_EQ(value.text(1), "_hparams_/" + tag);
    const auto data = value.message(9).message(1);
    EXPECT_EQ(data.text(1), "hparams");
    return data.message(2).message(field);
  };
  const auto experiment = plugin(1, "experiment", 2);
  ASSERT_EQ(experiment.messages(4).size(), 3U);
  EXPECT_EQ(experiment.messages(4)[0].text(1), "train.device");
  EXPECT_EQ(experiment.messages(4)[0].number(4), 1U);  // a string
  EXPECT_EQ(experiment.messages(4)[1].number(4), 2U);  // a bool
  EXPECT_EQ(experiment.messages(4)[2].number(4), 3U);  // a number
  EXPECT_EQ(experiment.message(5).message(1).text(2), "evaluation/val/giou");
  const auto values = plugin(2, "session_start_info", 3).messages(1);
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(values[0].message(2).text(3), "cpu");
  EXPECT_EQ(values[1].message(2).number(4), 1U);
  EXPECT_EQ(values[2].text(1), "train.lr");
  EXPECT_EQ(values[2].message(2).real(2), 3e-4);
  EXPECT_EQ(plugin(3, "session_end_info", 4).number(1), 1U);  // success
}

TEST_F(EventFiles, ALaterSessionMakesStepsVoid) {
  for (const int session : {0, 1}) {
    const EventFile file(folder_);
    file.begin_session(session == 0 ? 0 : 3);
    for (std::int64_t step = session == 0 ? 1 : 3; step <= 4 - session; ++step)
      file.add_scalars(step, {{"loss", 10.0 * session + static_cast<double>(step)}});
  }
  const auto scalars = read_scalars(folder_);
  const std::map<std::int64_t, float> expected = {{1, 1.0F}, {2, 2.0F}, {3, 13.0F}};
  EXPECT_EQ(scalars.at("loss"), expected);
}

TEST_F(EventFiles, FilesOfOneSecondHaveNamesInOrder) {
  const EventFile first(folder_);
  const EventFile second(folder_);
  EXPECT_LT(first.path(), second.path());
}

TEST_F(EventFiles, AFolderThatCannotBeWrittenIsSaid) {
  std::ofstream(folder_.string()) << "a file";
  try {
    const EventFile file(folder_);
    ADD_FAILURE() << "written";
  } catch (const DataError& error) {
    EXPECT_NE(std::string(error.what()).find(folder_.string()), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace medseg
