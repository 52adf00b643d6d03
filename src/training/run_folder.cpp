#include "medseg/training/run_folder.h"

#include <algorithm>
#include <cstdio>

#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kMayChange = {
    "/train/steps",   "/train/evaluate_every", "/train/evaluate_limit",  "/train/save_every",
    "/train/keep",    "/train/time_limit_s",   "/train/threads",         "/data/workers",
    "/data/cache_gb", "/train/non_finite",     "/train/non_finite_limit"};

// A link that is always there: made beside and renamed over the old one.
void point(const fs::path& link, const fs::path& target) {
  const fs::path temporary = link.string() + ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_directory_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) throw DataError(link.string() + ": cannot write: " + error.message());
}

std::string value_text(const nlohmann::json& json, const std::string& pointer) {
  const nlohmann::json::json_pointer at(pointer);
  return json.contains(at) ? json.at(at).dump() : "nothing";
}

std::string dotted(std::string pointer) {
  pointer.erase(0, 1);
  std::replace(pointer.begin(), pointer.end(), '/', '.');
  return pointer;
}

}  // namespace

fs::path RunFolder::checkpoint(std::int64_t step) const {
  char name[32];
  std::snprintf(name, sizeof name, "step-%08lld", static_cast<long long>(step));
  return path_ / "checkpoints" / name;
}

std::vector<std::int64_t> RunFolder::steps() const {
  std::vector<std::int64_t> found;
  std::error_code none;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints", none)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("step-") || !fs::exists(entry.path() / "training.json")) continue;
    found.push_back(std::stoll(name.substr(5)));
  }
  std::sort(found.begin(), found.end());
  return found;
}

void RunFolder::create() {
  if (last_step()) {
    throw ConfigError(
        path_.string() +
        ": a run with checkpoints stands here; --resume goes on with it, --out names another");
  }
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw DataError(path_.string() + ": cannot make folder: " + error.message());
  for (const char* name :
       {"metrics.jsonl", "log.txt", "run.json", "config.json", "best", "last", "checkpoints"}) {
    fs::remove_all(path_ / name, error);
  }
  write_file(path_ / "metrics.jsonl", "");  // an unwritable folder is found before training
}

std::optional<std::int64_t> RunFolder::last_step() const {
  const auto all = steps();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

void RunFolder::require_same_config(const nlohmann::json& config) const {
  const auto path = path_ / "config.json";
  const auto before = parse_json(read_file(path), path.string());
  for (const auto& change : nlohmann::json::diff(before, config)) {
    const auto pointer = change.at("path").get<std::string>();
    if (std::find(kMayChange.begin(), kMayChange.end(), pointer) != kMayChange.end()) continue;
    throw ConfigError(str(dotted(pointer), ": ", value_text(config, pointer),
                          ", but the run that --resume goes on with has ",
                          value_text(before, pointer)));
  }
}

void RunFolder::write_config(const nlohmann::json& config) const {
  write_file(path_ / "config.json", config.dump(2) + "\n");
}

void RunFolder::write_run(const nlohmann::json& run) const {
  write_file(path_ / "run.json", run.dump(2) + "\n");
}

void RunFolder::add_metrics(const nlohmann::ordered_json& line) const {
  append_line(path_ / "metrics.jsonl", line.dump());
}

void RunFolder::rewind(std::int64_t step) const {
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints", ignored)) {
    if (entry.path().filename().string().starts_with(".")) fs::remove_all(entry.path(), ignored);
  }
  const auto path = path_ / "metrics.jsonl";
  if (!fs::exists(path)) return;
  std::string kept;
  for (const auto& line : split(read_file(path), '\n')) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || json.value("step", step + 1) > step)
      continue;  // a torn last line goes too
    kept += line + "\n";
  }
  write_file(path, kept);
}

void RunFolder::publish(std::int64_t last, std::optional<std::int64_t> best,
                        std::int64_t keep) const {
  const auto relative = [&](std::int64_t step) {
    return fs::path("checkpoints") / checkpoint(step).filename();
  };
  point(path_ / "last", relative(last));
  if (best) point(path_ / "best", relative(*best));
  const auto all = steps();
  const auto count = static_cast<std::int64_t>(all.size());
  for (std::int64_t i = 0; i < count - keep; ++i) {
    const auto step = all[static_cast<std::size_t>(i)];
    if (step == last || step == best) continue;
    // The state goes first: whatever the removal leaves is no checkpoint.
    std::error_code ignored;
    fs::remove(checkpoint(step) / "training.json", ignored);
    fs::remove_all(checkpoint(step), ignored);
  }
}

}  // namespace medseg
