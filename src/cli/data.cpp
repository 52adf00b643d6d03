// medseg data: make the demonstration set, check a manifest, count its records.
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"
#include "medseg/dataset/stats.h"
#include "medseg/demo/demo.h"
#include "medseg/exchange/open_tokenizer.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

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

nlohmann::ordered_json findings_json(const std::vector<Fault>& findings) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& found : findings) {
    list.push_back({{"file", found.file},
                    {"line", found.line},
                    {"kind", name_of(found.kind)},
                    {"what", found.what},
                    {"mend", found.mend}});
  }
  return list;
}

void print_findings(const std::vector<Fault>& findings, const char* prefix) {
  for (const auto& found : findings) {
    std::cout << found.file << ":" << (found.line > 0 ? str_cat(found.line, ":") : "") << " "
              << prefix << found.what << " (" << found.mend << ")\n";
  }
}

void doctor(const std::vector<fs::path>& manifests, bool json) {
  const auto [faults, warnings] = examine(manifests);
  if (json) {
    const nlohmann::ordered_json out = {{"faults", findings_json(faults)},
                                        {"warnings", findings_json(warnings)}};
    std::cout << out.dump() << "\n";
  } else {
    print_findings(faults, "");
    print_findings(warnings, "warning: ");
  }
  if (!faults.empty()) {
    throw DataError("data doctor",
                    str_cat(faults.size(), faults.size() == 1 ? " fault" : " faults"));
  }
  if (!json) std::cout << "no faults\n";
}

void add_demo(CLI::App& data) {
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

void add_doctor(CLI::App& data) {
  auto manifests = std::make_shared<std::vector<fs::path>>();
  auto json = std::make_shared<bool>(false);
  auto* command = data.add_subcommand("doctor", "Check manifests; exit 3 if there is any fault");
  command->add_option("manifests", *manifests, "manifest.jsonl …")->required();
  command->add_flag("--json", *json, "one JSON object");
  command->footer("Example: medseg data doctor data/demo/manifest.jsonl");
  command->callback([manifests, json] { doctor(*manifests, *json); });
}

void add_stats(CLI::App& data) {
  auto manifest = std::make_shared<fs::path>();
  auto tokenizer = std::make_shared<fs::path>();
  auto json = std::make_shared<bool>(false);
  auto* command = data.add_subcommand("stats", "Counts, histograms and leakage of a manifest");
  command->add_option("manifest", *manifest, "manifest.jsonl")->required();
  command->add_flag("--json", *json, "one JSON object");
  command->add_option("--tokenizer", *tokenizer,
                      "count lengths in its tokens: a bundle or whatever medseg tokenize takes");
  command->footer(
      "Example: medseg data stats data/demo/manifest.jsonl --tokenizer runs/demo-start");
  command->callback([manifest, tokenizer, json] {
    const auto counter = tokenizer->empty() ? nullptr : open_tokenizer(*tokenizer, "");
    const auto stats = count_manifest(Manifest::read(*manifest), counter.get());
    std::cout << (*json ? stats_json(stats) + "\n" : stats_text(stats));
  });
}

}  // namespace

void add_data(CLI::App& app) {
  auto* data = app.add_subcommand("data", "Prepare, check and count data");
  data->require_subcommand(1);
  add_demo(*data);
  add_doctor(*data);
  add_stats(*data);
  add_data_annotate(*data);
  add_data_review(*data);
}

}  // namespace medseg
