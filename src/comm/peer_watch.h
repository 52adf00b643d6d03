/// \file
/// Which ranks are still alive, and which has failed.
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

/// Why a run ends. The first fault that is written to the store counts for all ranks.
struct Fault {
  int rank = -1;  ///< where it happened
  int exit_code = 5;
  int speaker = 0;  ///< the rank that prints the message; -1: the launcher
  std::string message;
};
std::string to_text(const Fault& fault);
Fault fault_from(const std::string& text);

/// Key of the fault in the store.
inline constexpr const char* kFaultKey = "fault";

/// A thread that writes a heartbeat to the store twice a second, with the number of collective
/// calls that this rank has begun, and looks for a fault. Once there is a fault, or the store is
/// gone, the main thread has some seconds to end by itself. Then the watch ends the process,
/// because the main thread waits for a rank that will never come.
class PeerWatch {
 public:
  PeerWatch(std::unique_ptr<Store> store, int rank, int size);
  ~PeerWatch();
  PeerWatch(const PeerWatch&) = delete;
  PeerWatch& operator=(const PeerWatch&) = delete;

  void begin_call() { ++calls_; }
  void set_timeout(double seconds) { timeout_s_ = seconds; }

  /// To be called after a collective call failed with the message `what`. Returns the fault that
  /// caused it: it waits some seconds for one to be written, or for a rank whose heartbeat stops.
  /// Without either, the ranks that have begun fewer calls are to blame.
  Fault explain(const std::string& what);
  /// Reports that this rank ends the run. Returns the fault that counts, maybe another rank's.
  Fault report(const Fault& fault);

  /// Notes that rank 0 has printed the message, or will.
  void note_said();
  bool wait_until_said(double seconds);
  /// Notes that this rank has read the fault. Rank 0, where it serves the store, waits for all.
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
  std::unique_ptr<Store> store_;  ///< connection of the main thread
  std::mutex mutex_;              ///< guards all that follows
  std::optional<Fault> seen_;     ///< by the thread; still there when the store is gone
  std::condition_variable changed_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace medseg
