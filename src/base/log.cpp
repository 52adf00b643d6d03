#include "medseg/base/log.h"

#include <memory>

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "medseg/base/error.h"
#include "medseg/base/silence.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

struct Log {
  std::shared_ptr<spdlog::sinks::stderr_sink_mt> terminal =
      std::make_shared<spdlog::sinks::stderr_sink_mt>();
  spdlog::logger logger{"medseg", terminal};

  Log() {
    terminal->set_pattern("%v");
    logger.flush_on(spdlog::level::info);
  }
};

Log& instance() {
  static Log log;
  return log;
}

}  // namespace

void log_info(std::string_view message) { instance().logger.info("{}", message); }
void log_warning(std::string_view message) { instance().logger.warn("warning: {}", message); }

void log_to_file(const std::filesystem::path& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    sink->set_pattern("%Y-%m-%dT%H:%M:%S %v");
    auto& sinks = instance().logger.sinks();
    sinks.resize(1);  // keeps the terminal, removes an earlier file
    sinks.push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& error) {
    throw DataError(path.string(), str_cat("cannot write: ", error.what()));
  }
}

void set_quiet(bool quiet) {
  instance().terminal->set_level(quiet ? spdlog::level::warn : spdlog::level::info);
}

void set_silent() { instance().terminal->set_level(spdlog::level::off); }

bool is_silent() { return instance().terminal->level() == spdlog::level::off; }

}  // namespace medseg
