/// \file
/// A thread that does the work of others, one after the other: for code that keeps what it read for
/// each thread (dataset/volume_cache.h), which several threads would read several times.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

namespace medseg {

class OneThread {
 public:
  OneThread() : thread_([this] { work(); }) {}
  ~OneThread() {
    {
      const std::lock_guard lock(mutex_);
      ends_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

  /// Runs `task` there and gives back its result, or throws what it threw.
  template <class Task>
  auto run(Task&& task) {
    std::packaged_task<decltype(task())()> packed(std::forward<Task>(task));
    auto result = packed.get_future();
    {
      const std::lock_guard lock(mutex_);
      tasks_.emplace_back([&packed] { packed(); });
    }
    wake_.notify_one();
    return result.get();
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [this] { return ends_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  bool ends_ = false;
  std::thread thread_;  // last: it uses the others
};

}  // namespace medseg
