/// \file
/// Errors that the program reports to its user.
///
/// Three rules decide what to use:
///   1. The user, a file or a config is wrong   -> throw a class from this file.
///   2. The code is wrong (broken precondition) -> MEDSEG_CHECK / TORCH_CHECK.
///   3. Absence is a normal answer              -> return std::optional.
/// Nothing is logged where it is thrown; `run_cli` catches, prints one line and exits with
/// `Error::exit_code()`. The line reads: where (file, line or dotted config path), what was found,
/// what was expected or known.
///
/// Code that throws names the location that it knows: `DataError(path, "cut short")`. A caller that
/// knows more adds it with `with_place`. Code that has to decide by an error uses its class and its
/// facts, never its text.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace medseg {

/// Base of every error caused by input rather than by a bug.
class Error : public std::exception {
 public:
  /// `where` is a file, "file:line" or a dotted config path; "" where the thrower does not know it.
  Error(int exit_code, std::string where, std::string reason);

  int exit_code() const noexcept { return exit_code_; }
  const std::string& where() const noexcept { return where_; }
  /// What is wrong, without `where`.
  const std::string& reason() const noexcept { return reason_; }
  /// "where: reason".
  const char* what() const noexcept override { return message_.c_str(); }

  /// Puts an outer location in front of the known one: "manifest.jsonl:7" before "masks.m0".
  void add_place(const std::string& outer);

 private:
  void compose();

  int exit_code_;
  std::string where_, reason_, message_;
};

/// A config file or command line is malformed. `where` is the dotted path of the
/// field, e.g. "model.mask_decoder.num_heads".
class ConfigError : public Error {
 public:
  static constexpr int kExitCode = 2;
  explicit ConfigError(std::string reason) : ConfigError("", std::move(reason)) {}
  ConfigError(std::string where, std::string reason)
      : Error(kExitCode, std::move(where), std::move(reason)) {}
};

/// A sample, an index or an image file cannot be used, or a result cannot be
/// written. `where` is the file.
class DataError : public Error {
 public:
  static constexpr int kExitCode = 3;
  explicit DataError(std::string reason) : DataError("", std::move(reason)) {}
  DataError(std::string where, std::string reason)
      : Error(kExitCode, std::move(where), std::move(reason)) {}
};

/// A checkpoint is unreadable, does not fit the model or must not be trusted.
class CheckpointError : public Error {
 public:
  static constexpr int kExitCode = 4;
  explicit CheckpointError(std::string reason) : CheckpointError("", std::move(reason)) {}
  CheckpointError(std::string where, std::string reason)
      : Error(kExitCode, std::move(where), std::move(reason)) {}
};

/// The run stopped itself: the loss is not finite, a peer is lost.
class RunStopped : public Error {
 public:
  static constexpr int kExitCode = 5;
  explicit RunStopped(std::string reason) : Error(kExitCode, "", std::move(reason)) {}
};

/// Runs `work`. An Error thrown by it gets `outer` in front of its `where` and keeps its class.
template <class Work>
decltype(auto) with_place(const std::string& outer, Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (Error& error) {
    error.add_place(outer);
    throw;
  }
}

/// Runs `work`. An Error of another class thrown by it becomes an `As`, with the exit code of `As`
/// and the same `where` and reason. For a fault that means more to the caller: a damaged JSON file
/// inside a bundle is a CheckpointError.
template <class As, class Work>
decltype(auto) raised_as(Work&& work) {
  try {
    return std::forward<Work>(work)();
  } catch (const As&) {
    throw;
  } catch (const Error& error) {
    throw As(error.where(), error.reason());
  }
}

/// Both: another class, and `outer` in front of `where`.
template <class As, class Work>
decltype(auto) raised_as(const std::string& outer, Work&& work) {
  return with_place(outer,
                    [&]() -> decltype(auto) { return raised_as<As>(std::forward<Work>(work)); });
}

/// Thrown by MEDSEG_CHECK: a bug or a broken invariant (exit code 1).
class CheckFailed : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& message);

}  // namespace medseg

/// Checks a precondition in code without torch. `message` is a std::string or literal.
#define MEDSEG_CHECK(condition, message)                                               \
  do {                                                                                 \
    if (!(condition)) ::medseg::check_failed(__FILE__, __LINE__, #condition, message); \
  } while (false)
