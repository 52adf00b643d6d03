/// \file
/// Who is still there, and who has failed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "store.h"

namespace medseg {

/// The end of a run: the first one that is written to the store counts for all ranks.
struct Fault {
  int rank = -1;  ///< where it happened
  int exit_code = 5;
  int speaker = 0;  ///< the rank that tells the user; -1: the launcher
  std::string message;
};
std::string to_text(const Fault& fault);
Fault fault_from(const std::string& text);

/// Where a fault stands in the store.
inline constexpr const char* kFaultKey = "fault";

/// A thread that twice a second says in the store that this rank lives and how many collective calls it has begun, and looks
/// for a fault. Once there is one (or the store is gone) the main thread has some seconds to end by itself; then the watch
/// ends the process, which waits for something that will never come.
class PeerWatch {
 public:
  PeerWatch(std::unique_ptr<Store> store, int rank, int size);
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  void begin_call() { ++calls_; }
  void set_timeout(double seconds) { timeout_s_ = seconds; }

  /// After a call failed with `what`: the fault that caused it. Waits some seconds for one to be written or for ranks that
  /// give no sign of life; without either, the ranks that have begun fewer calls are to blame.
  Fault explain(const std::string& what);
  /// This rank ends the run. The fault that counts.
  Fault report(const Fault& fault);

  /// Rank 0 has told the user, or will.
  void note_said();
  bool wait_until_said(double seconds);
  /// This rank knows why the run ends. Where rank 0 serves the store, it waits for the others to have read it.
  void note_known();
  void wait_until_known(double seconds);

 private:
  struct Beat {
    std::int64_t count = -1, calls = -1;
  };
  void work();
  std::vector<Beat> beats();
  Fault blame(const std::vector<Beat>& before, const std::vector<Beat>& after,
              const std::string& what);
  [[noreturn]] void end_process(const Fault& fault);

  const int rank_, size_;
  std::atomic<std::int64_t> calls_{0};
  std::atomic<double> timeout_s_{300.0};
  std::unique_ptr<Store> of_thread_;
  std::unique_ptr<Store> store_;  ///< of the main thread
  std::mutex mutex_;              ///< of what follows
  std::optional<Fault> seen_;     ///< by the thread: stands even when the store is gone
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace medseg
