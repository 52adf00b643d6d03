#include "medseg/evaluation/benchmark.h"

#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/metrics/protocols.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Benchmarks, EveryFileOfTheFolderIsWhole) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(MEDSEG_SOURCE_DIR "/configs/eval")) {
    if (entry.path().extension() != ".json") continue;
    const auto benchmark = read_benchmark(entry.path());
    EXPECT_TRUE(names.insert(benchmark.name).second) << benchmark.name << " comes twice";
    for (const std::string& text :
         {benchmark.title, benchmark.source, benchmark.files, benchmark.manifest})
      EXPECT_FALSE(text.empty()) << entry.path();
  }
  EXPECT_GE(names.size(), 12U);
  for (const char* name :
       {"MedSeg-QA", "ReasonSeg val", "MeCoVQA-G", "MLMR-SD", "SA-Med2D-20M", "BiomedParseData",
        "GCG val", "refCOCO val", "refCOCO+ val", "refCOCOg val", "ReXGroundingCT", "MR-MedSeg"})
    EXPECT_TRUE(names.contains(name)) << name;
}

class BenchmarkFile : public TempFolderTest {};

TEST_F(BenchmarkFile, SaysWhatIsWrongWithIt) {
  const auto refused = [&](const std::string& text, const std::string& what) {
    write_file(folder_ / "b.json", text);
    EXPECT_THAT([&] { read_benchmark(folder_ / "b.json"); },
                ThrowsMessage<ConfigError>(testing::AllOf(HasSubstr("b.json"), HasSubstr(what))));
  };
  const std::string whole = R"("name": "b", "layout": "manifest", "split": "test")";
  refused("{}", "name: missing");
  refused("{" + whole + R"(, "protokols": []})", "did you mean \"protocols\"");
  refused("{" + whole + R"(, "protocols": []})", "protocols: expected one at least");
  refused("{" + whole + R"(, "protocols": ["lisaa"]})", "did you mean \"lisa\"");
  refused("{" + whole + R"(, "protocols": ["medplib"]})", "medplib needs \"keep_logits\": true");
  refused("{" + whole + R"(, "answer": "[SEG]."})", "answer: is for \"mode\": \"teacher-forced\"");
  refused("{" + whole + R"(, "question": "Segment."})", "expected \"{question}\"");
  refused("{" + whole + R"(, "mode": "forced"})", "teacher-forced");
  write_file(folder_ / "b.json", "// a comment\n{" + whole + "}");
  EXPECT_EQ(read_benchmark(folder_ / "b.json").protocols, std::vector<std::string>{"strict"});
}

}  // namespace
}  // namespace medseg
