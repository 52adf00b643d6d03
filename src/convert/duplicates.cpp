#include "duplicates.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <thread>

#include "medseg/base/error.h"
#include "medseg/dataset/leaks.h"

namespace medseg {
namespace {

constexpr unsigned kMostThreads = 16;

struct Seen {
  std::string digest, error;
};

Seen look(const Record& record) {
  Seen seen;
  try {
    const Manifest alone = Manifest::of_line("/", record);
    seen.digest = picture_digest(read_image_of(alone, record).image);
  } catch (const Error& error) {
    seen.error = error.reason();
  }
  return seen;
}

std::vector<Seen> look_at_all(const std::vector<Draft>& drafts) {
  std::vector<Seen> seen(drafts.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < drafts.size(); i = next++) {
      if (!drafts[i].record.slice) seen[i] = look(drafts[i].record);
    }
  };
  std::vector<std::thread> threads;
  const auto count = std::clamp(std::thread::hardware_concurrency(), 1U, kMostThreads);
  for (unsigned i = 0; i < count; ++i) threads.emplace_back(work);
  for (auto& thread : threads) thread.join();
  return seen;
}

int rank_of(const std::string& split) { return split == "test" ? 2 : split == "val" ? 1 : 0; }

}  // namespace

void drop_duplicates(Reading& reading) {
  auto& drafts = reading.drafts();
  const auto seen = look_at_all(drafts);
  std::map<std::string, int> best;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    if (seen[i].digest.empty()) continue;
    auto& rank = best.emplace(seen[i].digest, 0).first->second;
    rank = std::max(rank, rank_of(drafts[i].record.split));
  }
  std::vector<Draft> kept;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const auto& record = drafts[i].record;
    if (!seen[i].error.empty()) {
      reading.skip("image: " + seen[i].error, record.image.string());
    } else if (!seen[i].digest.empty() && rank_of(record.split) < best.at(seen[i].digest)) {
      reading.skip("the same pixels stand in another split too, which is scored",
                   record.image.string());
    } else {
      kept.push_back(std::move(drafts[i]));
    }
  }
  drafts = std::move(kept);
}

}  // namespace medseg
