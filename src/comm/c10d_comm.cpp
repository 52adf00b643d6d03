#define USE_C10D_GLOO  // the wheel was built with it; its headers ask for this macro
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <ATen/ATen.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <unistd.h>

#include "c10d_store.h"
#include "medseg/base/clock.h"
#include "medseg/base/str.h"
#include "medseg/comm/connect.h"
#include "peer_watch.h"

namespace medseg {
namespace {

using c10d::ProcessGroupGloo;

constexpr double kUntilSaid = 8.0;  // seconds; longer than the watch waits for rank 0
constexpr double kUntilKnown = 3.0;
// A process group that aborts its process on a timeout must not do so before the reason is printed.
constexpr std::chrono::seconds kBeyondOurs{60};

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
}

/// The first socket address of a host. \throws ConfigError
addrinfo* resolve(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    throw ConfigError("MASTER_ADDR", str_cat(host, ": ", ::gai_strerror(error)));
  return found;
}

/// Whether something listens there.
bool answers(const std::string& address, std::uint16_t port) {
  addrinfo* const all = resolve(address, str_cat(port));
  bool connected = false;
  for (const auto* one = all; one != nullptr && !connected; one = one->ai_next) {
    const int fd = ::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const timeval patience{1, 0};  // a machine that is down answers nothing
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    connected = ::connect(fd, one->ai_addr, one->ai_addrlen) == 0;
    ::close(fd);
  }
  ::freeaddrinfo(all);
  return connected;
}

/// The address of this machine's interface that leads to rank 0.
std::string own_address(const LaunchEnvironment& environment) {
  addrinfo* target = resolve(environment.address, str_cat(environment.port));
  std::string address = environment.address;
  const int fd = ::socket(target->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  char text[NI_MAXHOST];
  if (::connect(fd, target->ai_addr, target->ai_addrlen) ==
          0 &&  // a UDP socket: nothing is sent, only a route chosen
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size) == 0 &&
      ::getnameinfo(reinterpret_cast<sockaddr*>(&own), size, text, sizeof text, nullptr, 0,
                    NI_NUMERICHOST) == 0) {
    address = text;
  }
  ::close(fd);
  ::freeaddrinfo(target);
  return address;
}

auto device_for(const LaunchEnvironment& environment) {
  if (environment.is_loopback()) return ProcessGroupGloo::createDeviceForHostname("127.0.0.1");
  const char* interface = std::getenv("GLOO_SOCKET_IFNAME");
  return interface != nullptr ? ProcessGroupGloo::createDeviceForInterface(interface)
                              : ProcessGroupGloo::createDeviceForHostname(own_address(environment));
}

class GlooComm : public Comm {
 public:
  GlooComm(const LaunchEnvironment& environment, double timeout_s)
      : rank_(environment.rank),
        size_(environment.size),
        local_rank_(environment.local_rank),
        prefix_("medseg/" + environment.session + "/"),
        timeout_(milliseconds(timeout_s)) {
    serves_ = rank_ == 0 && !environment.store_is_there;
    if (serves_) {
      server_ = Store::serve(listen_at(environment.port, environment.is_loopback()), prefix_);
    }
    std::unique_ptr<Store> store;
    try {
      if (!environment.is_loopback()) ::freeaddrinfo(resolve(environment.address, "0"));
      store = join(environment, timeout_s);
    } catch (const ConfigError&) {
      throw;
    } catch (const std::exception&) {
      throw PeerLost(5,
                     str_cat("rank ", rank_, ": no answer from ", environment.address, ":",
                             environment.port, " within ", fixed(timeout_s, 0), " s"),
                     false);
    }
    meet(*store, timeout_s);
    auto options = ProcessGroupGloo::Options::create(timeout_);
    options->devices.push_back(device_for(environment));
    try {
      group_ = c10::make_intrusive<ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>(prefix_ + "gloo", store->impl().store), rank_,
          size_, options);
    } catch (const std::exception& error) {
      throw PeerLost(
          5, str_cat("rank ", rank_, ": cannot connect to the other ranks: ", first_line(error)),
          false);
    }
    store->impl().store->setTimeout(milliseconds(30));
    watch_ = std::make_unique<PeerWatch>(store->another(), rank_, size_);
    watch_->set_timeout(timeout_s);
    store_ = std::move(store);
  }

  // Destroying a group that still waits for a lost rank blocks, and the process is about to end.
  ~GlooComm() override {
    if (!failed_) return;
    static_cast<void>(group_.release());
    static_cast<void>(device_group_.release());
    static_cast<void>(watch_.release());
    static_cast<void>(store_.release());
    static_cast<void>(server_.release());
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int local_rank() const override { return local_rank_; }
  void use_on_device(MakeGroup make) override { make_device_group_ = make; }

  std::unique_ptr<Pending> start_all_reduce(const at::Tensor& tensor) override {
    watch_->begin_call();
    std::vector<at::Tensor> tensors = {tensor};
    c10d::AllreduceOptions options;
    options.timeout = timeout_;
    return std::make_unique<Work>(*this, group_of(tensor).allreduce(tensors, options));
  }

  void broadcast(const at::Tensor& tensor, int from) override {
    watch_->begin_call();
    std::vector<at::Tensor> tensors = {tensor};
    c10d::BroadcastOptions options;
    options.rootRank = from;
    options.timeout = timeout_;
    wait(*group_of(tensor).broadcast(tensors, options));
  }

  std::vector<std::string> all_gather(const std::string& bytes) override {
    const auto own = static_cast<std::int64_t>(bytes.size());
    const auto sizes = gather_rows(at::full({1}, own, at::kLong));
    const auto longest = sizes.max().item<std::int64_t>();
    std::vector<std::string> all(static_cast<std::size_t>(size_));
    if (longest == 0) return all;
    auto padded = at::zeros({longest}, at::kByte);
    std::copy(bytes.begin(), bytes.end(), padded.data_ptr<std::uint8_t>());
    const auto rows = gather_rows(padded);
    for (int rank = 0; rank < size_; ++rank) {
      const auto* row = reinterpret_cast<const char*>(rows[rank].data_ptr<std::uint8_t>());
      all[static_cast<std::size_t>(rank)].assign(
          row, static_cast<std::size_t>(sizes[rank].item<std::int64_t>()));
    }
    return all;
  }

  void set_timeout(double seconds) override {
    timeout_ = milliseconds(seconds);
    watch_->set_timeout(seconds);
  }

  bool leave_with(int exit_code, const std::string& message) override {
    failed_ = true;
    const auto line = rank_ == 0 ? message : str_cat("rank ", rank_, ": ", message);
    watch_->report({rank_, exit_code, 0, line});
    if (rank_ == 0) {
      watch_->note_said();
      if (serves_) watch_->wait_until_known(kUntilKnown);
      return false;
    }
    watch_->note_known();
    return watch_->wait_until_said(kUntilSaid);
  }

 private:
  class Work : public Pending {
   public:
    Work(GlooComm& comm, c10::intrusive_ptr<c10d::Work> work)
        : comm_(comm), work_(std::move(work)) {}
    void wait() override { comm_.wait(*work_); }

   private:
    GlooComm& comm_;
    c10::intrusive_ptr<c10d::Work> work_;
  };

  static std::string first_line(const std::exception& error) {
    const std::string text = error.what();
    return text.substr(0, text.find('\n'));
  }

  /// Seconds until a wait is spoken of.
  static double patience(double timeout_s) { return std::min(5.0, timeout_s / 2); }

  // c10d would wait without a word.
  std::unique_ptr<Store> join(const LaunchEnvironment& environment, double timeout_s) const {
    const std::string address = serves_ ? "127.0.0.1" : environment.address;
    const Stopwatch watch;
    bool there = answers(address, environment.port);
    for (; !there && watch.seconds() < patience(timeout_s);
         std::this_thread::sleep_for(std::chrono::milliseconds(100)))
      there = answers(address, environment.port);
    if (!there) {
      say(str_cat("rank ", rank_, ": no answer yet from ", address, ":", environment.port,
                  ", where rank 0 is expected; waiting up to ", fixed(timeout_s, 0), " s"));
    }
    return Store::join(address, environment.port, prefix_,
                       std::max(1.0, timeout_s - watch.seconds()));
  }

  // Of a rank that may be silent: only it knows for whom it waits.
  static void say(const std::string& message) {
    std::fprintf(stderr, "medseg: %s\n", message.c_str());
    std::fflush(stderr);
  }

  // Wait until all ranks are there.
  void meet(Store& store, double timeout_s) const {
    bool spoke = false;
    store.set(str_cat("here/", rank_), "yes");
    std::string missing;
    int first_there = 0;
    for (const Stopwatch watch; watch.seconds() < timeout_s;
         std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
      if (const auto text = store.find(kFaultKey)) {
        const auto fault = fault_from(*text);
        throw PeerLost(fault.exit_code, fault.message, fault.speaker != rank_);
      }
      missing.clear();
      for (int rank = size_ - 1; rank >= 0; --rank) {
        if (store.find(str_cat("here/", rank))) {
          first_there = rank;
        } else {
          missing = str_cat(rank, missing.empty() ? "" : ", ", missing);
        }
      }
      if (missing.empty()) return;
      if (!spoke && watch.seconds() > patience(timeout_s)) {
        spoke = true;
        if (rank_ == first_there)
          say(str_cat("of ", size_, " processes, rank ", missing, " is still missing after ",
                      fixed(patience(timeout_s), 0), " s; waiting up to ", fixed(timeout_s, 0),
                      " s"));
      }
    }
    throw PeerLost(5,
                   str_cat("of ", size_, " processes, rank ", missing, " did not come within ",
                           fixed(timeout_s, 0), " s"),
                   rank_ != first_there);
  }

  // One row per rank, in the order of ranks.
  at::Tensor gather_rows(const at::Tensor& row) {
    watch_->begin_call();
    auto rows = at::empty({size_, row.size(0)}, row.options());
    auto input = row;
    auto output = rows.view({-1});
    c10d::AllgatherOptions options;
    options.timeout = timeout_;
    wait(*group_->_allgather_base(output, input, options));
    return rows;
  }

  c10d::Backend& group_of(const at::Tensor& tensor) {
    if (tensor.device().is_cpu()) return *group_;
    MEDSEG_CHECK(make_device_group_ != nullptr, "no group for tensors on " + tensor.device().str());
    if (!device_group_) {
      device_group_ = make_device_group_(
          c10::make_intrusive<c10d::PrefixStore>(prefix_ + "device", store_->impl().store), rank_,
          size_, timeout_ + kBeyondOurs);
    }
    return *device_group_;
  }

  // NCCL's wait() only makes the GPU's stream wait and returns; a rank that hangs is found here.
  void finish(c10d::Work& work) const {
    work.wait();
    for (const Stopwatch watch; !work.isCompleted();
         std::this_thread::sleep_for(std::chrono::microseconds(50))) {
      if (watch.seconds() * 1e3 > static_cast<double>(timeout_.count()))
        throw std::runtime_error(str_cat("no answer within ", timeout_.count() / 1000, " s"));
    }
    if (const auto fault = work.exception()) std::rethrow_exception(fault);
  }

  void wait(c10d::Work& work) {
    try {
      finish(work);
    } catch (const std::exception& error) {
      failed_ = true;
      const auto fault = watch_->explain(first_line(error));
      if (rank_ == 0 && fault.speaker == 0) watch_->note_said();
      if (rank_ != 0) watch_->note_known();
      if (serves_) watch_->wait_until_known(kUntilKnown);
      throw PeerLost(fault.exit_code, fault.message, fault.speaker != rank_);
    }
  }

  const int rank_, size_, local_rank_;
  const std::string prefix_;
  std::chrono::milliseconds timeout_;
  bool serves_ = false, failed_ = false;
  std::unique_ptr<Store> server_, store_;
  c10::intrusive_ptr<ProcessGroupGloo> group_;
  MakeGroup make_device_group_ = nullptr;
  c10::intrusive_ptr<c10d::Backend> device_group_;
  std::unique_ptr<PeerWatch> watch_;
};

}  // namespace

std::unique_ptr<Comm> connect(const LaunchEnvironment& environment, double timeout_s) {
  if (environment.size == 1) return one_process();
  return std::make_unique<GlooComm>(environment, timeout_s);
}

}  // namespace medseg
