#include "medseg/base/signals.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <unistd.h>

#include "medseg/base/str.h"

namespace medseg {
namespace {

volatile std::sig_atomic_t noted = 0;

const char* line_to_write = nullptr;

struct sigaction before_int, before_term, before_limit;

void note(int signal) {
  noted = signal;
  if (line_to_write != nullptr) {  // write(2) may be called in a handler; a stream may not
    const int before = errno;
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, line_to_write, std::strlen(line_to_write));
    errno = before;
  }
  struct sigaction at_once {};
  at_once.sa_handler = SIG_DFL;
  sigaction(SIGINT, &at_once, nullptr);
  sigaction(SIGTERM, &at_once, nullptr);
}

}  // namespace

SignalWatch::SignalWatch(const char* line) {
  noted = 0;
  line_to_write = line;
  struct sigaction action {};
  action.sa_handler = note;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &before_int);
  sigaction(SIGTERM, &action, &before_term);
  action.sa_handler = SIG_IGN;
  // Exceeding a file size limit then is an error of the write.
  sigaction(SIGXFSZ, &action, &before_limit);
}

SignalWatch::~SignalWatch() {
  sigaction(SIGINT, &before_int, nullptr);
  sigaction(SIGTERM, &before_term, nullptr);
  sigaction(SIGXFSZ, &before_limit, nullptr);
  noted = 0;
  line_to_write = nullptr;
}

int caught_signal() { return noted; }

Interrupted::Interrupted(int signal)
    : Error(128 + signal, "", str_cat("stopped by signal ", signal)) {}

void stop_if_signalled() {
  if (const int signal = caught_signal(); signal != 0) throw Interrupted(signal);
}

}  // namespace medseg
