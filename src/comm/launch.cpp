#include "medseg/comm/launch.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "medseg/base/clock.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "peer_watch.h"
#include "store.h"

extern char** environ;

namespace medseg {
namespace {

constexpr const char* kRunId = "medseg-launch";

int cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

/// Signals that arrive become readable from a file descriptor: SIGINT, SIGTERM, SIGHUP and SIGCHLD.
/// A child process gets back the signal mask that was set before.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
    ::pthread_sigmask(SIG_BLOCK, &set, &before_);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~Signals() {
    ::close(fd_);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  int fd() const { return fd_; }
  const sigset_t& before() const { return before_; }
  /// The next signal that has arrived, or 0.
  int next() const {
    signalfd_siginfo info{};
    return ::read(fd_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)
               ? static_cast<int>(info.ssi_signo)
               : 0;
  }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

/// One child process, from its start to its end.
struct Child {
  int rank = 0;
  pid_t pid = 0;
  int output = -1;   ///< pipe of its stdout and stderr; -1: it writes to the terminal itself
  std::string line;  ///< of output whose line break has not come yet
  bool ended = false;
  int status = 0;

  bool failed() const { return ended && !(WIFEXITED(status) && WEXITSTATUS(status) == 0); }
  bool was_killed() const { return ended && WIFSIGNALED(status); }
};

std::vector<std::string> environment_of(int rank, int size, std::uint16_t port) {
  std::vector<std::pair<std::string, std::string>> set = {{"RANK", str_cat(rank)},
                                                          {"LOCAL_RANK", str_cat(rank)},
                                                          {"WORLD_SIZE", str_cat(size)},
                                                          {"LOCAL_WORLD_SIZE", str_cat(size)},
                                                          {"GROUP_RANK", "0"},
                                                          {"MASTER_ADDR", "127.0.0.1"},
                                                          {"MASTER_PORT", str_cat(port)},
                                                          {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                                          {"TORCHELASTIC_RUN_ID", kRunId},
                                                          {"TORCHELASTIC_RESTART_COUNT", "0"}};
  if (std::getenv("OMP_NUM_THREADS") == nullptr)
    set.emplace_back("OMP_NUM_THREADS", str_cat(std::max(1, cores() / size)));
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const auto name = text.substr(0, text.find('='));
    if (std::none_of(set.begin(), set.end(), [&](const auto& pair) { return pair.first == name; }))
      environment.push_back(text);
  }
  for (const auto& [name, value] : set) environment.push_back(name + "=" + value);
  return environment;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (auto& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// Runs between fork and exec, where only async-signal-safe calls are allowed.
[[noreturn]] void become(const char* program, char** words, char** environment, int output,
                         const sigset_t& mask, pid_t parent) {
  ::setpgid(0, 0);  // Ctrl-C in the terminal then reaches only the launcher, which passes it on
  ::signal(SIGTTOU, SIG_IGN);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);
  if (output >= 0) {
    const int nothing = ::open("/dev/null", O_RDONLY);
    ::dup2(nothing, STDIN_FILENO);
    ::dup2(output, STDOUT_FILENO);
    ::dup2(output, STDERR_FILENO);
  }
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execve(program, words, environment);
  ::_exit(127);
}

class Launcher {
 public:
  explicit Launcher(const LaunchRequest& request) : request_(request) {}
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;
  void run();

 private:
  void start(const Listener& listener);
  void wait_for_something();
  void handle_signals();
  void reap();
  void relay(Child& child);
  void note_failure(const Child& child);
  [[noreturn]] void fail() const;
  bool all_ended() const {
    return std::all_of(children_.begin(), children_.end(), [](const Child& c) { return c.ended; });
  }
  void signal_all(int signal) const {
    for (const auto& child : children_) {
      if (!child.ended) ::kill(child.pid, signal);
    }
  }

  const LaunchRequest& request_;
  Signals signals_;
  std::vector<Child> children_;
  std::unique_ptr<Store> store_;
  int signal_ = 0;                ///< that was passed on to the ranks
  const Child* first_ = nullptr;  ///< the first one that failed
  Stopwatch since_first_;
};

void Launcher::start(const Listener& listener) {
  const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<std::string> words = {"medseg"};
  words.insert(words.end(), request_.command.begin(), request_.command.end());
  auto word_pointers = pointers(words);
  const pid_t parent = ::getpid();
  children_.reserve(static_cast<std::size_t>(request_.processes));
  for (int rank = 0; rank < request_.processes; ++rank) {
    auto environment = environment_of(rank, request_.processes, listener.port);
    auto environment_pointers = pointers(environment);
    int pipe[2] = {-1, -1};
    if (rank > 0 && ::pipe2(pipe, O_CLOEXEC) != 0)
      throw Error(1, "launch", str_cat("no pipe for rank ", rank, ": ", std::strerror(errno)));
    const pid_t pid = ::fork();
    if (pid < 0)
      throw Error(1, "launch", str_cat("cannot start rank ", rank, ": ", std::strerror(errno)));
    if (pid == 0) {
      become(program.c_str(), word_pointers.data(), environment_pointers.data(), pipe[1],
             signals_.before(), parent);
    }
    if (rank > 0) ::close(pipe[1]);
    children_.push_back({.rank = rank, .pid = pid, .output = pipe[0], .line = {}});
  }
}

// No child may outlive an exception.
Launcher::~Launcher() {
  signal_all(SIGKILL);
  for (auto& child : children_) {
    if (!child.ended) ::waitpid(child.pid, nullptr, 0);
    if (child.output >= 0) ::close(child.output);
  }
}

void Launcher::run() {
  const Listener listener = listen_at(0, /*loopback=*/true);
  start(listener);
  // The server's threads start after the fork, so that no child inherits their state.
  store_ = Store::serve(listener, str_cat("medseg/", kRunId, ".0/"));
  bool killed = false;
  while (!all_ended()) {
    wait_for_something();
    handle_signals();
    reap();
    if (first_ != nullptr && !killed && since_first_.seconds() > request_.grace_s) {
      signal_all(SIGKILL);
      killed = true;
    }
  }
  for (auto& child : children_) {
    while (child.output >= 0) relay(child);
  }
  if (first_ != nullptr) fail();
}

void Launcher::wait_for_something() {
  std::vector<pollfd> wait = {{signals_.fd(), POLLIN, 0}};
  for (const auto& child : children_) {
    if (child.output >= 0) wait.push_back({child.output, POLLIN, 0});
  }
  ::poll(wait.data(), wait.size(), first_ != nullptr ? 200 : -1);
  for (auto& child : children_) {
    const auto ready = std::any_of(wait.begin(), wait.end(), [&](const pollfd& entry) {
      return entry.fd == child.output && entry.revents != 0;
    });
    if (child.output >= 0 && ready) relay(child);
  }
}

void Launcher::handle_signals() {
  while (const int signal = signals_.next()) {
    if (signal == SIGCHLD) continue;
    signal_ = signal == SIGHUP ? SIGTERM : signal;
    signal_all(signal_);
  }
}

void Launcher::reap() {
  for (auto& child : children_) {
    if (child.ended || ::waitpid(child.pid, &child.status, WNOHANG) != child.pid) continue;
    child.ended = true;
    if (child.failed() && first_ == nullptr) note_failure(child);
  }
}

// Tells the ranks that wait for this one why it will not come, unless it has told them itself.
void Launcher::note_failure(const Child& child) {
  first_ = &child;
  since_first_.restart();
  Fault fault;
  fault.rank = child.rank;
  fault.speaker = -1;
  if (child.was_killed()) {
    fault.message = str_cat("rank ", child.rank, " was killed by signal ", WTERMSIG(child.status));
  } else {
    fault.exit_code = WEXITSTATUS(child.status);
    fault.message = str_cat("rank ", child.rank, " ended with exit code ", fault.exit_code);
  }
  try {
    store_->set_first(kFaultKey, to_text(fault));
  } catch (const std::exception&) {  // they notice by their own timeout
  }
}

// Prints a rank's output line by line, and the unfinished line at its end.
void Launcher::relay(Child& child) {
  if (child.output < 0) return;
  char buffer[4096];
  const auto count = ::read(child.output, buffer, sizeof buffer);
  if (count < 0 && errno == EINTR) return;
  if (count > 0) child.line.append(buffer, static_cast<std::size_t>(count));
  if (count <= 0) {
    ::close(child.output);
    child.output = -1;
    if (!child.line.empty() && child.line.back() != '\n') child.line += '\n';
  }
  const auto end = child.line.rfind('\n');
  if (end == std::string::npos) return;
  for (const auto& line : split(child.line.substr(0, end), '\n'))
    std::fprintf(stderr, "rank %d: %s\n", child.rank, line.c_str());
  std::fflush(stderr);
  child.line.erase(0, end + 1);
}

void Launcher::fail() const {
  if (signal_ != 0) {
    const bool by_it = !first_->was_killed() || WTERMSIG(first_->status) == signal_;
    const int code = first_->was_killed() ? 128 + signal_ : WEXITSTATUS(first_->status);
    if (by_it) throw Error(code, "", "");
  }
  // It has printed the reason.
  if (!first_->was_killed()) throw Error(WEXITSTATUS(first_->status), "", "");
  throw RunStopped(str_cat("rank ", first_->rank, " (process ", first_->pid,
                           ") was killed by signal ", WTERMSIG(first_->status),
                           ", and the other ranks with it; --resume goes on"));
}

}  // namespace

void launch(const LaunchRequest& request) {
  if (request.processes < 1 || request.processes > 1024)
    throw ConfigError("--nproc",
                      str_cat(request.processes, " is out of range; expected 1 to 1024"));
  if (request.command.empty()) throw ConfigError("launch", "no command behind --");
  Launcher(request).run();
}

}  // namespace medseg
