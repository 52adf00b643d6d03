// medseg data demo: make the demonstration set.
#include <iostream>
#include <memory>

#include "data_commands.h"
#include "medseg/dataset/stats.h"
#include "medseg/demo/demo.h"

namespace medseg {
namespace {

void demo(const DemoOptions& options) {
  fetch_demo_assets(options.assets);
  build_demo(options);
  const auto path = options.out / "manifest.jsonl";
  const auto stats = count_manifest(Manifest::read(path));
  std::cout << path.string() << ": image-mask pairs";
  for (const char* split : {"train", "val", "test"}) {
    const auto& counts = stats.splits.at(split);
    std::cout << " " << split << " " << counts.pairs << " (" << counts.records << " records, "
              << counts.masks_asked << " masks asked for, " << counts.absent_turns << " of "
              << counts.answered_turns << " turns about absent structures)";
  }
  std::cout << "\n";
}

}  // namespace

void add_data_demo(Command& data) {
  auto options = std::make_shared<DemoOptions>();
  auto* command = data.add_subcommand("demo", "Prepare the demonstration set from real scans");
  command->add_option("--out", options->out,
                      "folder of the set; replaces an earlier set and refuses other files");
  command->add_option("--assets", options->assets, "folder of the downloaded packages");
  command->add_option("--seed", options->seed,
                      "of the wordings; the same seed gives the same bytes");
  command->footer("Example: medseg data demo --out data/demo");
  command->callback([options] { demo(*options); });
}

}  // namespace medseg
