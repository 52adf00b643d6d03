#include "medseg/evaluation/benchmark.h"

#include "medseg/config/load.h"
#include "medseg/metrics/protocols.h"

namespace medseg {
namespace {

void check(const BenchmarkOptions& benchmark) {
  const auto needed = [](const char* key, const std::string& value) {
    if (value.empty()) throw ConfigError(key, "missing");
  };
  needed("name", benchmark.name);
  needed("layout", benchmark.layout);
  needed("split", benchmark.split);
  if (benchmark.question.find("{question}") == std::string::npos)
    throw ConfigError("question",
                      "expected \"{question}\" in it, got \"" + benchmark.question + "\"");
  if (!benchmark.answer.empty() && benchmark.mode != AnswerMode::kTeacherForced)
    throw ConfigError("answer", "is for \"mode\": \"teacher-forced\"");
  if (benchmark.protocols.empty()) throw ConfigError("protocols", "expected one at least");
  for (const auto& name : benchmark.protocols) {
    const auto& protocol =
        with_place("protocols", [&]() -> const Protocol& { return protocol_named(name); });
    if (protocol.needs_maps && !benchmark.keep_logits)
      throw ConfigError("protocols", name + " needs \"keep_logits\": true");
  }
}

}  // namespace

BenchmarkOptions read_benchmark(const std::filesystem::path& file) {
  const auto json = load_config(file);
  return with_place(file.string(), [&] {
    BenchmarkOptions benchmark;
    read_options(json, benchmark);
    check(benchmark);
    return benchmark;
  });
}

}  // namespace medseg
