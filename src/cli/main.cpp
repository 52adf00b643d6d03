#include "medseg/cli/main.h"

#include <iostream>

#include <CLI/CLI.hpp>
#include <c10/util/Exception.h>

#include "commands.h"
#include "medseg/base/error.h"

namespace medseg {

int run_cli(int argc, char** argv) {
  CLI::App app{"medseg: medical image reasoning segmentation: ask a picture, get words and masks"};
  app.name("medseg");
  app.require_subcommand(1);
  app.set_version_flag("--version", "medseg 0.1.0");
  // Commands, in the order a user meets them.
  add_data(app);
  add_model(app);
  add_tokenize(app);
  add_config(app);
  add_train(app);
  add_evaluate(app);
  add_score(app);
  add_table(app);
  add_predict(app);
  add_chat(app);
  add_bench(app);

  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  } catch (const Error& error) {
    std::cerr << "medseg: " << error.what() << "\n";
    return error.exit_code();
  } catch (const c10::Error& error) {
    std::cerr << "medseg: bug: " << error.what_without_backtrace() << "\n";
    return 1;
  } catch (const std::exception& error) {
    std::cerr << "medseg: bug: " << error.what() << "\n";
    return 1;
  }
}

}  // namespace medseg
