#include "medseg/cli/main.h"

#include <iostream>

#include <c10/util/Exception.h>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "medseg/comm/launch_environment.h"

namespace medseg {
namespace {

/// Makes a message one line: names in files may be long and contain line breaks or escape
/// sequences.
std::string one_line(const std::string& text) {
  static constexpr const char* digits = "0123456789abcdef";
  static constexpr std::size_t longest = 4000;
  std::string line;
  for (const char c : text) {
    if (line.size() >= longest) return line + " …";
    const auto code = static_cast<unsigned char>(c);
    if (code >= 0x20 && code != 0x7f) {
      line += c;
    } else {
      line += c == '\n' ? "\\n" : std::string("\\x") + digits[code >> 4] + digits[code & 15];
    }
  }
  return line;
}

/// An empty message means that another process of the same run prints it (comm/together.h).
int fail(int code, const std::string& what) {
  if (!what.empty()) std::cerr << "medseg: " << one_line(what) << "\n";
  return code;
}

/// True for one of several processes other than rank 0, which prints for all.
bool is_follower() {
  try {
    return read_launch_environment().rank > 0;
  } catch (const ConfigError&) {
    return false;
  }
}

}  // namespace

int run_cli(int argc, char** argv) {
  Command app(
      "medseg",
      "medseg: medical image reasoning segmentation: ask about an image, get words and masks");
  app.require_subcommand();
  app.add_version("--version", str_cat("medseg ", version()));
  // Commands, in the order in which a new user needs them.
  add_data(app);
  add_model(app);
  add_tokenize(app);
  add_config(app);
  add_plan(app);
  add_train(app);
  add_launch(app);
  add_evaluate(app);
  add_score(app);
  add_compare(app);
  add_table(app);
  add_report(app);
  add_predict(app);
  add_chat(app);
  add_serve(app);
  add_bench(app);

  try {
    app.parse(argc, argv);
    return 0;
  } catch (const UsageError& error) {
    // Rank 0 has the same arguments and prints the error.
    if (is_follower()) return 2;
    return fail(error.exit_code(),
                str_cat(error.what(), "; see `medseg --help` or the command's own --help"));
  } catch (const Error& error) {
    return fail(error.exit_code(), error.what());
  } catch (const c10::Error& error) {
    return fail(1, str_cat("bug: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return fail(1, str_cat("bug: ", error.what()));
  }
}

}  // namespace medseg
