// What configs/eval names, the converters read.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/convert/convert.h"
#include "medseg/evaluation/benchmark.h"

namespace medseg {
namespace {

TEST(BenchmarkFiles, NameLayoutsThatCanBeConverted) {
  std::vector<std::string> known = {"manifest"};
  for (const auto& format : convert_formats()) known.push_back(format.name);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(MEDSEG_SOURCE_DIR "/configs/eval")) {
    if (entry.path().extension() != ".json") continue;
    ++files;
    EXPECT_THAT(known, testing::Contains(read_benchmark(entry.path()).layout)) << entry.path();
  }
  EXPECT_GT(files, 10);
}

}  // namespace
}  // namespace medseg
