#include "medseg/evaluation/evaluation_folder.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "medseg/dataset/turns.h"
#include "medseg/report/scores_text.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kSyncEvery = 5.0;  // seconds
constexpr const char* kPredictions = "predictions.jsonl";
constexpr const char* kFacts = "evaluation.json";

Json to_json(const EvaluationFacts& facts) {
  return {{"manifest", facts.manifest},
          {"manifest_hash", facts.manifest_hash},
          {"split", facts.split},
          {"model", facts.model},
          {"model_hash", facts.model_hash},
          {"mode", name_of(facts.mode)},
          {"history", name_of(facts.history)},
          {"question", facts.question},
          {"forced_answer", facts.forced_answer},
          {"decoding", "greedy"},
          {"precision", facts.precision},
          {"max_new_tokens", facts.max_new_tokens},
          {"limit", facts.limit},
          {"keep_logits", facts.keeps_logits}};
}

std::optional<Json> read_facts(const fs::path& folder) {
  if (!fs::exists(folder / kFacts)) return std::nullopt;
  auto json = Json::parse(read_file(folder / kFacts), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw DataError((folder / kFacts).string(), "not a JSON object");
  return json;
}

bool is_complete(const Json& facts) {
  return facts.contains("complete") && facts["complete"].is_boolean() &&
         facts["complete"].get<bool>();
}

// Parts of earlier processes count too, whatever their number was.
std::vector<fs::path> answer_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    if (name == kPredictions || (name.starts_with("predictions.part-") && name.ends_with(".jsonl")))
      files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A process that was killed may have left half a line at the end; elsewhere a bad line is an error.
std::vector<Prediction> read_cut_predictions(const fs::path& file) {
  const auto text = read_file(file);
  const auto end = text.rfind('\n');
  std::vector<Prediction> predictions;
  int line = 0;
  for (const auto& one : split(text.substr(0, end == std::string::npos ? 0 : end), '\n')) {
    ++line;
    if (trim(one).empty()) continue;
    predictions.push_back(
        with_place(str_cat(file.string(), ":", line), [&] { return from_json_line(one); }));
  }
  return predictions;
}

// Every turn once, and none that could not be asked.
bool is_whole(const std::vector<Prediction>& predictions, std::size_t turns) {
  std::set<int> seen;
  for (const auto& prediction : predictions) {
    const bool known = prediction.turn >= 0 && static_cast<std::size_t>(prediction.turn) < turns;
    if (prediction.failed || !known || !seen.insert(prediction.turn).second) return false;
  }
  return seen.size() == turns;
}

std::string lines_of(const std::vector<Prediction>& predictions) {
  std::string lines;
  for (const auto& prediction : predictions) lines += to_json_line(prediction) + "\n";
  return lines;
}

// The weights themselves may be many gigabytes: their sizes must do.
std::string hash_of_bundle(const fs::path& bundle) {
  auto config = Json::parse(read_file(bundle / "config.json"), nullptr, /*allow_exceptions=*/false);
  if (config.is_object()) config.erase("thresholds");  // they change no answer
  std::vector<std::string> parts = {config.dump()};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(bundle, error)) {
    const auto name = entry.path().filename().string();
    if (name.ends_with(".safetensors")) parts.push_back(str_cat(name, " ", entry.file_size(error)));
  }
  std::sort(parts.begin() + 1, parts.end());
  return sha256(join(parts, "\n"));
}

}  // namespace

EvaluationFacts facts_of(const fs::path& manifest, const std::string& split, const fs::path& model,
                         const EvaluationOptions& options, const std::string& precision) {
  return {.manifest = fs::absolute(manifest).lexically_normal().string(),
          .manifest_hash = sha256_of_file(manifest),
          .split = split,
          .model = fs::absolute(model).lexically_normal().string(),
          .model_hash = hash_of_bundle(model),
          .mode = options.mode,
          .history = options.history,
          .question = options.question,
          .forced_answer = options.forced_answer,
          .precision = precision,
          .max_new_tokens = options.generation.max_new_tokens,
          .limit = options.limit,
          .keeps_logits = !options.maps_folder.empty()};
}

EvaluationFolder::EvaluationFolder(fs::path path, EvaluationFacts facts, const Manifest& manifest,
                                   bool resume, Comm& comm)
    : path_(std::move(path)), facts_(std::move(facts)), resume_(resume), comm_(comm) {
  std::string answered;
  if (comm_.leads() && fs::is_directory(path_)) {
    lock_.emplace(path_ / ".lock", "--out");
    if (resume_) {
      require_same_facts();
      read_answered(manifest);
      answered = lines_of(answered_);
    }
  }
  if (comm_.is_alone()) return;
  answered = comm_.all_gather(answered).front();
  answered_.clear();
  for (const auto& line : split(answered, '\n')) {
    if (!line.empty()) answered_.push_back(from_json_line(line));
  }
}

void EvaluationFolder::require_same_facts() const {
  const auto before = read_facts(path_);
  if (!before) {
    if (answer_files(path_).empty()) return;
    throw ConfigError("--resume", str_cat(path_.string(), " holds predictions, but no ", kFacts,
                                          " that says what was asked"));
  }
  const Json now = to_json(facts_);
  for (const auto& [key, value] : now.items()) {
    if (key == "model" || key == "manifest") continue;  // may have been moved; their hashes tell
    if (before->contains(key) && (*before)[key] == value) continue;
    throw ConfigError("--resume",
                      str_cat(path_.string(), " was begun with another ", key, ": ",
                              before->value(key, Json()).dump(), ", now ", value.dump()));
  }
}

void EvaluationFolder::begin() {
  if (comm_.leads()) {
    std::error_code error;
    fs::create_directories(path_, error);
    if (!lock_) lock_.emplace(path_ / ".lock", "--out");
    if (const auto before = read_facts(path_); !resume_ && before && !is_complete(*before))
      set_aside_unfinished();
    for (const auto& file : answer_files(path_)) {
      if (file.filename() != kPredictions) fs::remove(file, error);
    }
    auto begun = to_json(facts_);
    begun["complete"] = false;
    write_file(path_ / kFacts, begun.dump(2) + "\n");
    write_file(path_ / kPredictions, lines_of(answered_));
    fs::remove(path_ / "scores.json", error);
  }
  if (!comm_.is_alone()) comm_.barrier();
}

EvaluationFolder::~EvaluationFolder() {
  if (!unsynced_) return;
  try {
    sync_file(own_file());
  } catch (const Error& error) {
    log_warning(error.what());
  }
}

fs::path EvaluationFolder::own_file() const {
  if (comm_.is_alone()) return path_ / kPredictions;
  return path_ / str_cat("predictions.part-", comm_.rank(), ".jsonl");
}

void EvaluationFolder::set_aside_unfinished() const {
  std::string lines;
  for (const auto& file : answer_files(path_)) lines += lines_of(read_cut_predictions(file));
  if (lines.empty()) return;
  auto aside = path_ / "predictions.before.jsonl";
  for (int number = 2; fs::exists(aside); ++number)
    aside = path_ / str_cat("predictions.before-", number, ".jsonl");
  write_file(aside, lines);
  log_warning(str_cat("the unfinished evaluation in ", path_.string(), " is begun anew (--resume ",
                      "would go on); its answers were moved to ", aside.string()));
}

void EvaluationFolder::read_answered(const Manifest& manifest) {
  std::map<std::string, std::vector<Prediction>> by_record;
  for (const auto& file : answer_files(path_)) {
    for (auto& prediction : read_cut_predictions(file))
      by_record[prediction.id].push_back(std::move(prediction));
  }
  for (const Record* record : chosen_records(manifest, facts_.split, facts_.limit)) {
    auto& predictions = by_record[record->id];
    if (!is_whole(predictions, answered_turns(*record).size())) continue;
    for (auto& prediction : predictions) answered_.push_back(std::move(prediction));
  }
  log_info(str_cat(answered_.size(), " answers of an earlier run are kept"));
}

void EvaluationFolder::add(const std::vector<Prediction>& record) {
  append_bytes(own_file(), lines_of(record));
  unsynced_ = true;
  if (since_sync_.seconds() < kSyncEvery) return;
  sync_file(own_file());
  since_sync_ = Stopwatch();
  unsynced_ = false;
}

void EvaluationFolder::finish(const Evaluation& evaluation, double seconds,
                              const SeenInTraining& seen) {
  if (comm_.leads()) {
    write_file(path_ / kPredictions, lines_of(evaluation.predictions));
    write_file(path_ / "scores.json", scores_json(evaluation.scores) + "\n");
    auto facts = to_json(facts_);
    std::map<std::string, int> records;
    for (const auto& prediction : evaluation.predictions) ++records[prediction.id];
    facts["complete"] = true;
    facts["records"] = records.size();
    facts["answers"] = evaluation.predictions.size();
    facts["resumed_answers"] = answered_.size();
    facts["quarantined"] = Json::array();
    for (const auto& failed : evaluation.failed)
      facts["quarantined"].push_back(
          {{"id", failed.id}, {"line", failed.line}, {"what", failed.what}});
    facts["leakage"] = leakage_json(seen);
    facts["seconds"] = seconds;
    facts["peak_memory_bytes"] = peak_memory_bytes();
    facts["medseg"] = std::string(version());
    write_file(path_ / kFacts, facts.dump(2) + "\n");
  }
  unsynced_ = false;
  if (comm_.is_alone()) return;
  comm_.barrier();  // the whole is on the disk
  std::error_code error;
  std::filesystem::remove(own_file(), error);
}

}  // namespace medseg
