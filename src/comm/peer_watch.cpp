#include "peer_watch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <sstream>

#include <unistd.h>

#include "medseg/base/clock.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr auto kBeat = std::chrono::milliseconds(500);
constexpr double kSigns = 2.5;  // seconds without a heartbeat after which a rank counts as gone
constexpr double kGrace = 5.0;  // seconds that a process has to end by itself

constexpr const char* kSaidKey = "said";
constexpr const char* kKnownKey = "known";
constexpr const char* kNoStore = "rank 0 is gone, or the launcher that held the store";

std::string beat_key(int rank) { return str_cat("beat/", rank); }

std::string ranks_text(const std::vector<int>& ranks) {
  std::vector<std::string> words;
  for (const int rank : ranks) words.push_back(str_cat(rank));
  return (ranks.size() == 1 ? "rank " : "ranks ") + join(words, ", ");
}

void pause(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

}  // namespace

std::string to_text(const Fault& fault) {
  return str_cat(fault.rank, " ", fault.exit_code, " ", fault.speaker, "\n", fault.message);
}

Fault fault_from(const std::string& text) {
  Fault fault;
  std::istringstream in(text);
  in >> fault.rank >> fault.exit_code >> fault.speaker;
  const auto line = text.find('\n');
  if (line != std::string::npos) fault.message = text.substr(line + 1);
  return fault;
}

PeerWatch::PeerWatch(std::unique_ptr<Store> store, int rank, int size)
    : rank_(rank), size_(size), of_thread_(store->another()), store_(std::move(store)) {
  thread_ = std::thread([this] { work(); });
}

PeerWatch::~PeerWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void PeerWatch::work() {
  std::int64_t count = 0;
  std::optional<Fault> fault;
  double patience = kGrace;
  Stopwatch since;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    lock.unlock();
    if (!fault) {
      try {
        of_thread_->set(beat_key(rank_), str_cat(++count, " ", calls_.load()));
        if (const auto text = of_thread_->find(kFaultKey)) fault = fault_from(*text);
      } catch (const std::exception&) {
        fault = Fault{0, 5, rank_, kNoStore};
        patience += timeout_s_;  // by then the collective calls time out themselves
      }
      since.restart();
    } else if (since.seconds() > patience) {
      end_process(*fault);
    }
    lock.lock();
    if (fault && patience == kGrace) seen_ = fault;
    changed_.wait_for(lock, kBeat, [this] { return stop_; });
  }
}

void PeerWatch::end_process(const Fault& fault) {
  if (fault.speaker == rank_ && fault.rank != rank_) {
    try {
      of_thread_->set(kSaidKey, "yes");
    } catch (const std::exception&) {
    }
    std::fprintf(stderr, "medseg: %s\n", fault.message.c_str());
  }
  std::fflush(stderr);
  ::_exit(fault.exit_code);
}

std::vector<PeerWatch::Beat> PeerWatch::beats() {
  std::vector<Beat> beats(static_cast<std::size_t>(size_));
  for (int rank = 0; rank < size_; ++rank) {
    const auto text = store_->find(beat_key(rank));
    if (!text) continue;
    std::istringstream in(*text);
    auto& beat = beats[static_cast<std::size_t>(rank)];
    in >> beat.count >> beat.calls;
  }
  return beats;
}

Fault PeerWatch::blame(const std::vector<Beat>& before, const std::vector<Beat>& after,
                       const std::string& what) {
  std::vector<int> silent, late;
  for (int rank = 0; rank < size_; ++rank) {
    const auto i = static_cast<std::size_t>(rank);
    if (rank == rank_) continue;
    if (after[i].count == before[i].count) silent.push_back(rank);
    if (after[i].calls < calls_.load()) late.push_back(rank);
  }
  Fault fault;
  fault.rank = rank_;
  if (!silent.empty()) {
    fault.rank = silent.front();
    fault.message = ranks_text(silent) + (silent.size() == 1 ? " is" : " are") +
                    " gone or stopped: no sign of life";
  } else if (!late.empty()) {
    fault.rank = late.front();
    fault.message = str_cat(ranks_text(late), " did not come within ", fixed(timeout_s_.load(), 0),
                            " s to where the others wait");
  } else {
    fault.message = str_cat("rank ", rank_, ": ", what);
  }
  // A rank that is gone cannot print; rank 0 prints for all unless it is the one.
  fault.speaker = fault.rank == 0 ? rank_ : 0;
  return fault;
}

Fault PeerWatch::explain(const std::string& what) {
  try {
    const auto before = beats();
    for (const Stopwatch watch; watch.seconds() < kSigns; pause(0.1)) {
      if (const auto text = store_->find(kFaultKey)) return fault_from(*text);
    }
    return fault_from(store_->set_first(kFaultKey, to_text(blame(before, beats(), what))));
  } catch (const std::exception&) {
    const std::lock_guard lock(mutex_);
    return seen_.value_or(Fault{0, 5, rank_, kNoStore});
  }
}

Fault PeerWatch::report(const Fault& fault) {
  try {
    return fault_from(store_->set_first(kFaultKey, to_text(fault)));
  } catch (const std::exception&) {
    return fault;
  }
}

void PeerWatch::note_said() {
  try {
    store_->set(kSaidKey, "yes");
  } catch (const std::exception&) {  // the store is gone, and with it all who could read
  }
}

bool PeerWatch::wait_until_said(double seconds) {
  try {
    for (const Stopwatch watch; watch.seconds() < seconds; pause(0.05)) {
      if (store_->find(kSaidKey)) return true;
    }
  } catch (const std::exception&) {
  }
  return false;
}

void PeerWatch::note_known() {
  try {
    store_->add(kKnownKey, 1);
  } catch (const std::exception&) {
  }
}

void PeerWatch::wait_until_known(double seconds) {
  try {
    for (const Stopwatch watch; watch.seconds() < seconds; pause(0.05)) {
      if (store_->add(kKnownKey, 0) >= size_ - 1) return;
    }
  } catch (const std::exception&) {
  }
}

}  // namespace medseg
