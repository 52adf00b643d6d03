#include "medseg/evaluation/evaluated.h"

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// A text as it is; a number or anything else as JSON; "" where the key is missing or null.
std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "";
  return found->is_string() ? found->get<std::string>() : found->dump();
}

std::string leakage_of(const json& object) {
  const auto found = object.find("leakage");
  if (found == object.end() || !found->is_object()) return text_at(object, "leakage");
  return text_at(*found, "statement");
}

void read_facts(const json& object, const std::string& where, EvaluatedFolder& evaluation) {
  if (!object.is_object()) throw DataError(where, "expected an object");
  auto& facts = evaluation.facts;
  evaluation.model = text_at(object, "model");
  facts.manifest = text_at(object, "manifest");
  facts.split = text_at(object, "split");
  facts.mode = text_at(object, "mode");
  facts.history = text_at(object, "history");
  facts.seed = text_at(object, "seed");
  facts.decoding = text_at(object, "decoding");
  facts.precision = text_at(object, "precision");
  facts.leakage = leakage_of(object);
  const auto records = object.find("records");
  if (records != object.end() && records->is_number_integer())
    facts.records = records->get<std::int64_t>();
}

}  // namespace

EvaluatedFolder read_evaluated(const fs::path& path) {
  EvaluatedFolder evaluation;
  const bool is_folder = fs::is_directory(path);
  evaluation.folder = is_folder ? path : path.parent_path();
  evaluation.predictions = is_folder ? path / "predictions.jsonl" : path;
  const fs::path file = evaluation.folder / "evaluation.json";
  if (!fs::exists(file)) return evaluation;
  evaluation.described = true;
  const json object =
      raised_as<DataError>([&] { return parse_json(read_file(file), file.string()); });
  read_facts(object, file.string(), evaluation);
  return evaluation;
}

AskedSplit open_asked(const EvaluatedFolder& evaluation, const fs::path& manifest,
                      const std::string& split) {
  const fs::path named = manifest.empty() ? fs::path(evaluation.facts.manifest) : manifest;
  if (named.empty()) {
    throw ConfigError("--data", "missing; the manifest that was asked (" +
                                    (evaluation.folder / "evaluation.json").string() +
                                    " does not name it)");
  }
  if (manifest.empty() && !fs::exists(named)) {
    throw ConfigError("--data", "missing; " + (evaluation.folder / "evaluation.json").string() +
                                    " names " + named.string() + ", which is not there");
  }
  std::string asked = split.empty() ? evaluation.facts.split : split;
  if (asked.empty()) asked = "test";
  return {Manifest::read(named), asked, evaluation.described};
}

std::string benchmark_name(const EvaluatedFolder& evaluation) {
  const auto& facts = evaluation.facts;
  if (!facts.manifest.empty()) {
    const fs::path manifest(facts.manifest);
    const std::string data = manifest.parent_path().filename().string();
    const std::string split = facts.split.empty() ? std::string("test") : facts.split;
    return (data.empty() ? manifest.stem().string() : data) + "/" + split;
  }
  const fs::path folder = evaluation.folder.lexically_normal();
  return folder.has_filename() ? folder.filename().string()
                               : folder.parent_path().filename().string();
}

}  // namespace medseg
