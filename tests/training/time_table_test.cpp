#include "medseg/training/time_table.h"

#include <gmock/gmock.h>

namespace medseg {
namespace {

using testing::ElementsAre;

TEST(TimeTable, SumsSecondsAndOperationsAndKeepsTheLargestPeak) {
  TimeTable table;
  table.add({"data", 1.5, 10, 2});
  table.add({"backward", 3, 40, 8});
  table.add({"data", 0.5, 7, 1});
  ASSERT_EQ(table.parts().size(), 2U);
  const auto& data = table.parts()[0];
  EXPECT_EQ(data.name, "data");
  EXPECT_EQ(data.seconds, 2.0);
  EXPECT_EQ(data.peak_bytes, 10U);
  EXPECT_EQ(data.flops, 3.0);
  EXPECT_EQ(table.text(), "data 2.0 s, backward 3.0 s");
}

TEST(TimeTable, TheObserverHearsOfEachPartUntilItIsReplaced) {
  TimeTable table;
  std::vector<std::string> heard;
  table.observe({.on_begin = [&](const std::string& part) { heard.push_back(part); },
                 .on_end = [&] { heard.emplace_back("end"); }});
  { const TimeTable::Scope scope(table, "data"); }
  { const TimeTable::Scope scope(table, "backward"); }
  table.observe({});
  { const TimeTable::Scope scope(table, "data"); }
  EXPECT_THAT(heard, ElementsAre("data", "end", "backward", "end"));
  EXPECT_EQ(table.parts().size(), 2U);
}

}  // namespace
}  // namespace medseg
