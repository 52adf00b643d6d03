#include <iostream>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/report/run_page.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

void report(const fs::path& folder) {
  if (!is_run_folder(folder) && fs::exists(folder / "predictions.jsonl")) {
    throw DataError(folder.string(),
                    "what evaluate wrote; report reads run folders (metrics.jsonl), `medseg "
                    "table` shows these scores");
  }
  write_run_page(folder);
  std::cout << (folder / "run.html").string() << "\n";
}

}  // namespace

void add_report(CLI::App& app) {
  auto folder = std::make_shared<fs::path>();
  auto* command = app.add_subcommand(
      "report", "One HTML file of a run: curves, scores, answers with images, facts, config");
  command->add_option("folder", *folder, "run folder; run.html is written into it")->required();
  command->footer("Example: medseg report runs/demo");
  command->callback([folder] { report(*folder); });
}

}  // namespace medseg
