#include "medseg/dataset/doctor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "examine_files.h"
#include "examine_record.h"
#include "findings.h"
#include "leak_search.h"
#include "manifest_text.h"
#include "medseg/base/error.h"
#include "medseg/base/progress.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBatch = 128;  // neighbouring lines: slices of one volume stay together
constexpr int kMostThreads = 16;
constexpr std::size_t kWorthABar = std::size_t{4} << 20;  // bytes; less is read in a moment
constexpr std::size_t kBatchesAhead = 4;                  // for each thread

struct BatchLine {
  int number = 0;
  std::size_t begin = 0;
  std::string json;
};

/// Threads that run tasks in the order in which they are given.
class Workers {
 public:
  explicit Workers(int count) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Workers() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      tasks_.clear();
    }
    wake_.notify_all();
    for (auto& thread : threads_) thread.join();
  }

  template <class Work>
  auto run(Work work) {
    auto task = std::make_shared<std::packaged_task<decltype(work())()>>(std::move(work));
    auto result = task->get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.emplace_back([task] { (*task)(); });
    }
    wake_.notify_one();
    return result;
  }

 private:
  void work() {
    while (true) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return ended_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool ended_ = false;
  std::vector<std::thread> threads_;
};

Examined examine_line(const fs::path& path, const BatchLine& line, FileExaminer& files) {
  Examined one;
  one.line = line.number;
  one.begin = line.begin;
  Record record;
  try {
    record = parse_record(line.json);
  } catch (const ManifestError& error) {
    one.text.fault(line.number, error.kind(), error.what());
    return one;
  }
  record.line = line.number;
  one.is_record = true;
  one.id = short_hash(record.id);
  one.id_text = record.id;
  one.subject = record.subject;
  one.split = record.split;
  one.slab = record.split_unit == "slab";
  examine_text(record, one.text);
  files.examine(Manifest::of(path, {}), record, one);
  return one;
}

std::vector<Examined> examine_batch(const fs::path& path, const std::vector<BatchLine>& lines,
                                    SeenImages& images) {
  FileExaminer files(images);
  std::vector<Examined> examined;
  examined.reserve(lines.size());
  for (const auto& line : lines) examined.push_back(examine_line(path, line, files));
  return examined;
}

class Examination {
 public:
  Examination(const std::vector<fs::path>& manifests, const ExamineOptions& options)
      : manifests_(manifests),
        options_(options),
        threads_(options.threads > 0
                     ? options.threads
                     : std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1,
                                  kMostThreads)) {}

  Findings run() {
    for (std::size_t i = 0; i < manifests_.size(); ++i) examine_manifest(i);
    const auto read = [&](std::size_t manifest, std::size_t begin) {
      const auto& text = texts_.at(manifest);
      return parse_record(std::string(text->line_at(begin)));
    };
    for (const auto& [leak, manifest] : leaks_.find(read)) {
      findings_.set_file(manifests_[manifest].string());
      findings_.fault(0, leak.kind, leak.what + " stands in splits " + join(leak.splits, ", "));
    }
    auto found = findings_.take();
    found.records = records_;
    return found;
  }

 private:
  using Batch = std::future<std::vector<Examined>>;

  void examine_manifest(std::size_t number) {
    const fs::path& path = manifests_[number];
    findings_.set_file(path.string());
    texts_.emplace_back();
    try {
      texts_.back() = std::make_unique<ManifestText>(path);
    } catch (const ManifestError& error) {
      findings_.fault(0, error.kind(), error.reason());
      return;
    } catch (const Error& error) {
      findings_.fault(0, FaultKind::kUnreadableManifest, error.what());
      return;
    }
    examine_lines(number, *texts_.back());
  }

  void examine_lines(std::size_t number, ManifestText& text) {
    std::optional<Progress> progress;
    if (options_.progress && text.size() > kWorthABar)
      progress.emplace("doctor", static_cast<std::int64_t>(text.size()));
    Workers workers(threads_);
    std::deque<Batch> pending;
    std::int64_t lines = 0;
    bool more = true;
    while (more || !pending.empty()) {
      while (more && pending.size() < kBatchesAhead * static_cast<std::size_t>(threads_)) {
        auto batch = next_batch(text);
        more = !batch.empty();
        lines += static_cast<std::int64_t>(batch.size());
        if (!more) break;
        pending.push_back(workers.run([this, number, lines_of = std::move(batch)] {
          return examine_batch(manifests_[number], lines_of, images_);
        }));
      }
      if (pending.empty()) break;
      const auto examined = pending.front().get();
      pending.pop_front();
      for (const auto& one : examined) merge(number, one);
      if (progress) progress->update(static_cast<std::int64_t>(examined.back().begin), note());
    }
    if (lines == 0) findings_.fault(0, FaultKind::kNoRecords, "no records");
  }

  std::string note() const { return str_cat(records_, " records"); }

  static std::vector<BatchLine> next_batch(ManifestText& text) {
    std::vector<BatchLine> batch;
    while (batch.size() < kBatch) {
      const auto line = text.next();
      if (!line) break;
      batch.push_back({line->number, line->begin, std::string(line->json)});
    }
    return batch;
  }

  void merge(std::size_t manifest, const Examined& one) {
    if (one.is_record) {
      ++records_;
      merge_id(manifest, one);
    }
    for (const auto& finding : one.text.found()) findings_.add(finding);
    if (!one.is_record) return;
    if (one.odd && said_.insert(one.image_key).second) say(one.line, *one.odd);
    for (const auto& [key, odd] : one.odd_masks)
      if (said_.insert(key).second) say(one.line, odd);
    for (const auto& finding : one.files.found()) findings_.add(finding);
    leaks_.add(manifest, one);
  }

  void merge_id(std::size_t manifest, const Examined& one) {
    const auto [it, is_new] =
        place_of_id_.emplace(one.id, std::pair{static_cast<std::uint32_t>(manifest), one.line});
    if (is_new) return;
    const auto& [other, line] = it->second;
    findings_.fault(
        one.line, FaultKind::kDuplicateId,
        str_cat("id \"", one.id_text, "\" stands in ",
                other == manifest ? "" : manifests_[other].string() + " ", "line ", line, " too"));
  }

  /// Found when another thread read the file, for another line perhaps.
  void say(int line, const RecordFindings& findings) {
    for (auto finding : findings.found()) {
      finding.line = line;
      findings_.add(finding);
    }
  }

  const std::vector<fs::path>& manifests_;
  ExamineOptions options_;
  int threads_;
  FindingsList findings_;
  std::vector<std::unique_ptr<ManifestText>> texts_;
  SeenImages images_;
  LeakSearch leaks_;
  std::unordered_set<ShortHash, ShortHashHasher> said_;
  std::unordered_map<ShortHash, std::pair<std::uint32_t, int>, ShortHashHasher> place_of_id_;
  std::int64_t records_ = 0;
};

}  // namespace

Findings examine(const std::vector<fs::path>& manifests, const ExamineOptions& options) {
  return Examination(manifests, options).run();
}

}  // namespace medseg
