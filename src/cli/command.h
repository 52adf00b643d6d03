/// \file
/// Commands, their options and their arguments. command.cpp alone includes CLI11, whose templates
/// would cost every command's file five seconds of compiling.
///
/// A variable that is bound to an option must live until `parse` returns. What it holds before is
/// the default.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "medseg/base/error.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace medseg {

/// The command line itself is wrong: an unknown option, a value of the wrong type, nothing where
/// something is required.
class UsageError : public ConfigError {
 public:
  using ConfigError::ConfigError;
};

/// An option ("--name") or an argument by place ("name") of a command, which owns it.
class Option {
 public:
  Option* required();
  /// So many values.
  Option* expected(int count);
  /// One value each time that it is given, and all of them are kept.
  Option* one_each_time();
  /// One value each time that it is given; what follows it is no value of it.
  Option* no_more_values();

  /// What values are allowed; anything else is a UsageError. Bounds belong to the range.
  Option* in_range(int least, int most);
  Option* in_range(double least, double most);
  Option* positive();
  Option* not_negative();
  Option* one_of(std::initializer_list<std::string> names);

  /// The help shows the value that the variable holds now, or this text, as the default.
  Option* show_default();
  Option* show_default(const std::string& text);

 private:
  friend class Command;
  explicit Option(CLI::Option* option) : option_(option) {}
  CLI::Option* option_;
};

/// The program, a command or a subcommand; owned by what it was added to.
class Command {
 public:
  /// The program.
  Command(const std::string& name, const std::string& what);

  Command* add_subcommand(const std::string& name, const std::string& what);
  /// Exactly one subcommand has to be named.
  void require_subcommand();

  Option* add_option(const std::string& name, std::string& value, const std::string& text = "");
  Option* add_option(const std::string& name, std::filesystem::path& value,
                     const std::string& text = "");
  Option* add_option(const std::string& name, int& value, const std::string& text = "");
  Option* add_option(const std::string& name, std::int64_t& value, const std::string& text = "");
  Option* add_option(const std::string& name, std::uint64_t& value, const std::string& text = "");
  Option* add_option(const std::string& name, double& value, const std::string& text = "");
  Option* add_option(const std::string& name, std::optional<std::int64_t>& value,
                     const std::string& text = "");
  Option* add_option(const std::string& name, std::optional<double>& value,
                     const std::string& text = "");
  /// Lists take every value up to the next option.
  Option* add_option(const std::string& name, std::vector<std::string>& value,
                     const std::string& text = "");
  Option* add_option(const std::string& name, std::vector<std::filesystem::path>& value,
                     const std::string& text = "");
  Option* add_option(const std::string& name, std::vector<double>& value,
                     const std::string& text = "");
  /// A text that `read` makes something of.
  Option* add_option(const std::string& name, std::function<void(const std::string&)> read,
                     const std::string& text = "");
  Option* add_flag(const std::string& name, bool& value, const std::string& text);
  /// Prints `text` and ends.
  void add_version(const std::string& name, const std::string& text);

  /// What the help says below the options.
  void footer(const std::string& text);
  /// Called when the command line that names this command has been read.
  void callback(std::function<void()> run);
  /// How often an option was given. Unknown names are a bug.
  std::size_t count(const std::string& name) const;

  /// Reads the command line and runs what it names, or prints the help or the version that it asks
  /// for. \throws UsageError; what the command throws passes through.
  void parse(int argc, const char* const* argv);

 private:
  explicit Command(std::shared_ptr<CLI::App> app);
  template <typename Value>
  Option* add(const std::string& name, Value& value, const std::string& text);
  Option* keep(CLI::Option* option);

  std::shared_ptr<CLI::App> app_;  // a subcommand's keeps the whole program alive
  std::vector<std::unique_ptr<Command>> subcommands_;
  std::vector<std::unique_ptr<Option>> options_;
};

}  // namespace medseg
