/// \file
/// Errors the program reports to its user.
///
/// Three rules decide what to use:
///   1. The user, a file or a config is wrong   -> throw a class from this file.
///   2. The code is wrong (broken precondition) -> MEDSEG_CHECK / TORCH_CHECK.
///   3. Absence is a normal answer              -> return std::optional.
/// Nothing is logged where it is thrown; `run_cli` catches, prints one line and
/// exits with `Error::exit_code()`. A message reads: where (file, line or dotted
/// config path), what, what was found, what was expected or known.
#pragma once

#include <stdexcept>
#include <string>

namespace medseg {

/// Base of every error caused by input rather than by a bug.
class Error : public std::runtime_error {
 public:
  Error(int exit_code, const std::string& message)
      : std::runtime_error(message), exit_code_(exit_code) {}

  int exit_code() const noexcept { return exit_code_; }

 private:
  int exit_code_;
};

/// A config file or command line is malformed. The message starts with the
/// dotted path of the field, e.g. "model.mask_decoder.num_heads: ...".
class ConfigError : public Error {
 public:
  explicit ConfigError(const std::string& message) : Error(2, message) {}
};

/// A sample, an index or an image file cannot be used, or a result cannot be
/// written. The message starts with the file.
class DataError : public Error {
 public:
  explicit DataError(const std::string& message) : Error(3, message) {}
};

/// A checkpoint is unreadable, does not fit the model or must not be trusted.
class CheckpointError : public Error {
 public:
  explicit CheckpointError(const std::string& message) : Error(4, message) {}
};

/// The run stopped itself: the loss is not finite, a peer is lost.
class RunStopped : public Error {
 public:
  explicit RunStopped(const std::string& message) : Error(5, message) {}
};

/// Thrown by MEDSEG_CHECK: a bug or a lost invariant (exit code 1).
class CheckFailed : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

}  // namespace medseg

/// Precondition of code that does not see torch. `message` is a std::string or literal.
#define MEDSEG_CHECK(condition, message)                                               \
  do {                                                                                 \
    if (!(condition)) ::medseg::check_failed(__FILE__, __LINE__, #condition, message); \
  } while (false)
