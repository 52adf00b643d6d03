#include "command.h"

#include <CLI/CLI.hpp>

namespace medseg {

Option* Option::required() {
  option_->required();
  return this;
}

Option* Option::expected(int count) {
  option_->expected(count);
  return this;
}

Option* Option::one_each_time() {
  option_->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return this;
}

Option* Option::no_more_values() {
  option_->allow_extra_args(false);
  return this;
}

Option* Option::in_range(int least, int most) {
  option_->check(CLI::Range(least, most));
  return this;
}

Option* Option::in_range(double least, double most) {
  option_->check(CLI::Range(least, most));
  return this;
}

Option* Option::positive() {
  option_->check(CLI::PositiveNumber);
  return this;
}

Option* Option::not_negative() {
  option_->check(CLI::NonNegativeNumber);
  return this;
}

Option* Option::one_of(std::initializer_list<std::string> names) {
  option_->check(CLI::IsMember(std::vector<std::string>(names)));
  return this;
}

Option* Option::show_default() {
  option_->capture_default_str();
  return this;
}

Option* Option::show_default(const std::string& text) {
  option_->default_str(text);
  return this;
}

Command::Command(const std::string& name, const std::string& what)
    : app_(std::make_shared<CLI::App>(what)) {
  app_->name(name);
}

Command::Command(std::shared_ptr<CLI::App> app) : app_(std::move(app)) {}

Command* Command::add_subcommand(const std::string& name, const std::string& what) {
  const std::shared_ptr<CLI::App> app(app_, app_->add_subcommand(name, what));
  subcommands_.push_back(std::unique_ptr<Command>(new Command(app)));
  return subcommands_.back().get();
}

void Command::require_subcommand() { app_->require_subcommand(1); }

Option* Command::keep(CLI::Option* option) {
  options_.push_back(std::unique_ptr<Option>(new Option(option)));
  return options_.back().get();
}

template <typename Value>
Option* Command::add(const std::string& name, Value& value, const std::string& text) {
  return keep(app_->add_option(name, value, text));
}

Option* Command::add_option(const std::string& name, std::string& value, const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::filesystem::path& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, int& value, const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::int64_t& value, const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::uint64_t& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, double& value, const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::optional<std::int64_t>& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::optional<double>& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::vector<std::string>& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::vector<std::filesystem::path>& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::vector<double>& value,
                            const std::string& text) {
  return add(name, value, text);
}

Option* Command::add_option(const std::string& name, std::function<void(const std::string&)> read,
                            const std::string& text) {
  return keep(app_->add_option_function<std::string>(name, read, text));
}

Option* Command::add_flag(const std::string& name, bool& value, const std::string& text) {
  return keep(app_->add_flag(name, value, text));
}

void Command::add_version(const std::string& name, const std::string& text) {
  app_->set_version_flag(name, text);
}

void Command::footer(const std::string& text) { app_->footer(text); }

void Command::callback(std::function<void()> run) { app_->callback(std::move(run)); }

std::size_t Command::count(const std::string& name) const { return app_->count(name); }

void Command::parse(int argc, const char* const* argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw UsageError(error.what());
    app_->exit(error);  // prints what --help or --version ask for
  }
}

}  // namespace medseg
