#include "medseg/training/run_folder.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/process.h"
#include "medseg/base/str.h"
#include "medseg/report/event_file.h"
#include "medseg/training/checkpoint.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

// Replaces a link in one step: makes a new one and renames it over the old.
void point(const fs::path& link, const fs::path& target) {
  const fs::path temporary = link.string() + ".tmp";
  std::error_code error;
  fs::remove(temporary, error);
  fs::create_directory_symlink(target, temporary, error);
  if (!error) fs::rename(temporary, link, error);
  if (error) throw DataError(link.string(), "cannot write: " + error.message());
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
    std::int64_t step = 0;
    const char* end = name.data() + name.size();
    if (std::from_chars(name.data() + 5, end, step).ptr == end) found.push_back(step);
  }
  std::sort(found.begin(), found.end());
  return found;
}

void RunFolder::claim() {
  if (!writes_) return;
  std::error_code error;
  fs::create_directories(path_, error);
  if (error) throw DataError(path_.string(), "cannot make folder: " + error.message());
  lock_ = std::make_unique<FileLock>(path_ / ".lock", path_.string());
}

void RunFolder::require_new() const {
  if (!writes_ || !last_step()) return;
  throw ConfigError(
      path_.string(),
      "a run with checkpoints stands here; --resume goes on with it, --out names another");
}

void RunFolder::create() {
  if (!writes_) return;
  require_new();
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    const std::string name = entry.path().filename().string();
    const bool is_link = fs::is_symlink(entry.path()) && name.starts_with("best-");
    if (is_link || EventFile::is_event_file(entry.path())) fs::remove(entry.path(), error);
  }
  for (const char* name :
       {"metrics.jsonl", "quarantine.jsonl", "log.txt", "run.json", "config.json", "best", "last",
        "checkpoints", "run.html", "trace.json"}) {
    fs::remove_all(path_ / name, error);
  }
  write_file(path_ / "metrics.jsonl", "");  // an unwritable folder is found before training
}

std::optional<std::int64_t> RunFolder::last_step() const {
  const auto all = steps();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

std::optional<std::int64_t> RunFolder::newest_whole() const {
  const auto all = steps();
  if (all.empty()) return std::nullopt;
  std::vector<std::pair<fs::path, CheckpointError>> damaged;  // newest first
  for (auto step = all.rbegin(); step != all.rend(); ++step) {
    try {
      require_whole_checkpoint(checkpoint(*step));
    } catch (const CheckpointError& error) {
      damaged.emplace_back(checkpoint(*step), error);
      continue;
    }
    for (const auto& [folder, fault] : damaged) {
      const auto aside = folder.parent_path() / ("damaged-" + folder.filename().string());
      std::error_code ignored;
      fs::remove_all(aside, ignored);
      fs::rename(folder, aside, ignored);
      log_warning(str_cat(fault.what(), "; set aside as ", aside.filename().string(),
                          ", the run goes on from ", checkpoint(*step).filename().string()));
    }
    return *step;
  }
  const CheckpointError& newest = damaged.front().second;
  throw CheckpointError(newest.where(), str_cat(newest.reason(), "; of the run's ", all.size(),
                                                all.size() == 1 ? " checkpoint" : " checkpoints",
                                                " none is whole: nothing to resume from"));
}

void RunFolder::require_room(std::uint64_t checkpoint_bytes, std::int64_t kept) const {
  if (!writes_) return;
  const auto probe = path_ / "checkpoints" / ".probe";
  write_file(probe, "x");
  std::error_code ignored;
  fs::remove(probe, ignored);
  const auto room = free_bytes(probe);
  if (!room) return;
  const auto numbers = str_cat("a checkpoint takes ", gigabytes_text(checkpoint_bytes), ", ",
                               gigabytes_text(*room), " are free");
  if (*room < checkpoint_bytes)
    throw DataError(path_.string(), numbers + "; make room, or name another --out");
  // One more than is kept: an old checkpoint is removed only after a new one is saved.
  const auto missing =
      std::max<std::int64_t>(kept + 1 - static_cast<std::int64_t>(steps().size()), 0);
  if (*room < static_cast<std::uint64_t>(missing) * checkpoint_bytes) {
    log_warning(str_cat(path_.string(), ": ", numbers, ", and up to ", missing,
                        " more will stand at once"));
  }
}

void RunFolder::write_config(const nlohmann::json& config) const {
  if (!writes_) return;
  write_file(path_ / "config.json", config.dump(2) + "\n");
}

void RunFolder::write_run(const nlohmann::json& run) const {
  if (!writes_) return;
  write_file(path_ / "run.json", run.dump(2) + "\n");
}

void RunFolder::add_metrics(const nlohmann::ordered_json& line) {
  if (!writes_) return;
  const bool first = waiting_.empty();
  waiting_ += (first ? "" : "\n") + line.dump();
  try {
    append_line(path_ / "metrics.jsonl", waiting_);
    waiting_.clear();
  } catch (const DataError& error) {
    if (first) log_warning(str_cat(error.what(), "; its lines wait for room"));
  }
}

void RunFolder::sync_metrics() {
  if (!writes_) return;
  const auto path = path_ / "metrics.jsonl";
  if (!waiting_.empty()) append_line(path, waiting_);
  waiting_.clear();
  sync_file(path);
}

void RunFolder::rewind(std::int64_t step, bool owes_evaluation) const {
  if (!writes_) return;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(path_ / "checkpoints", ignored)) {
    if (entry.path().filename().string().starts_with(".")) fs::remove_all(entry.path(), ignored);
  }
  for (const auto& entry : fs::directory_iterator(path_, ignored)) {
    if (entry.is_symlink() && !fs::exists(entry.path())) fs::remove(entry.path(), ignored);
  }
  const auto path = path_ / "metrics.jsonl";
  if (!fs::exists(path)) return;
  std::string kept;
  for (const auto& line : split(read_file(path), '\n')) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;  // a torn last line goes too
    const auto of = json.value("step", step + 1);
    if (of > step || (of == step && owes_evaluation && json.contains("split"))) continue;
    kept += line + "\n";
  }
  write_file(path, kept);
}

void RunFolder::publish(std::int64_t last, const std::map<std::string, std::int64_t>& best,
                        std::int64_t keep) const {
  if (!writes_) return;
  const auto relative = [&](std::int64_t step) {
    return fs::path("checkpoints") / checkpoint(step).filename();
  };
  std::set<std::int64_t> stay = {last};
  point(path_ / "last", relative(last));
  for (const auto& [link, step] : best) {
    point(path_ / link, relative(step));
    stay.insert(step);
  }
  const auto all = steps();
  const auto count = static_cast<std::int64_t>(all.size());
  for (std::int64_t i = 0; i < count - keep; ++i) {
    const auto step = all[static_cast<std::size_t>(i)];
    if (stay.contains(step)) continue;
    // Renamed first: a removal that is interrupted must not leave half a checkpoint.
    const auto removed = path_ / "checkpoints" / ("." + checkpoint(step).filename().string());
    std::error_code ignored;
    fs::remove_all(removed, ignored);
    fs::rename(checkpoint(step), removed, ignored);
    fs::remove_all(removed, ignored);
  }
}

}  // namespace medseg
