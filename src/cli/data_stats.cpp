// medseg data stats: count the records of a manifest, and compare it with training data.
#include <iostream>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "data_commands.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/curation/revisions.h"
#include "medseg/dataset/contamination.h"
#include "medseg/dataset/stats.h"
#include "medseg/dataset/stats_page.h"
#include "medseg/exchange/open_tokenizer.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

struct StatsArguments {
  fs::path manifest, tokenizer, page;
  std::vector<fs::path> against;
  std::string split, against_split;
  bool json = false;
};

Contamination contamination_of(const StatsArguments& arguments, const Manifest& manifest) {
  std::vector<Manifest> others;
  for (const auto& path : arguments.against) others.push_back(Manifest::read(path));
  std::vector<DataPart> parts;
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (fs::equivalent(arguments.against[i], arguments.manifest) &&
        (arguments.split == arguments.against_split || arguments.split.empty() ||
         arguments.against_split.empty())) {
      throw ConfigError("--against",
                        "the manifest itself: name two splits of it with --split and "
                        "--against-split");
    }
    parts.push_back({&others[i], arguments.against_split});
  }
  return find_contamination({&manifest, arguments.split}, parts);
}

void stats(const StatsArguments& arguments) {
  if (arguments.against.empty() && !(arguments.split.empty() && arguments.against_split.empty()))
    throw ConfigError("--split", "is for --against: counts are those of every split");
  const auto counter =
      arguments.tokenizer.empty() ? nullptr : open_tokenizer(arguments.tokenizer, "");
  const Manifest manifest = Manifest::read(arguments.manifest);
  const auto counts = count_manifest(manifest, counter.get());
  std::optional<Contamination> found;
  if (!arguments.against.empty()) found = contamination_of(arguments, manifest);
  if (!arguments.page.empty()) {
    write_file(arguments.page, stats_page(manifest, counts));
    if (!arguments.json) std::cout << arguments.page.string() << ": written\n";
  }
  // What a review left beside the manifest that it exported.
  std::optional<RevisionCounts> revisions;
  if (const auto file = manifest.folder() / kRevisionsFile; fs::exists(file))
    revisions = count_revisions(file);
  if (!arguments.json) {
    std::cout << stats_text(counts) << (found ? "\n" + contamination_text(*found) : "")
              << (revisions ? "\n" + revisions->text() : "");
    return;
  }
  auto json = nlohmann::ordered_json::parse(stats_json(counts));
  if (found) json["against"] = contamination_json(*found);
  if (revisions) json["revisions"] = revisions->json();
  std::cout << json.dump() << "\n";
}

}  // namespace

void add_data_stats(Command& data) {
  auto arguments = std::make_shared<StatsArguments>();
  auto* command = data.add_subcommand("stats", "Counts, histograms and leakage of a manifest");
  command->add_option("manifest", arguments->manifest, "manifest.jsonl")->required();
  command->add_option("--against", arguments->against,
                      "manifests of training data: the same patients, volumes and pictures, and "
                      "near duplicates");
  command->add_option("--split", arguments->split, "with --against: of the manifest; default all");
  command->add_option("--against-split", arguments->against_split,
                      "with --against: of the training data; default all");
  command->add_flag("--json", arguments->json, "one JSON object");
  command->add_option("--html", arguments->page, "writes a page with charts and images, one file");
  command->add_option("--tokenizer", arguments->tokenizer,
                      "count lengths in its tokens: a bundle or whatever medseg tokenize takes");
  command->footer(
      "Example: medseg data stats data/demo/manifest.jsonl --tokenizer runs/demo-start\n"
      "         medseg data stats test.jsonl --against train.jsonl");
  command->callback([arguments] { stats(*arguments); });
}

}  // namespace medseg
