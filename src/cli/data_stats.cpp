// medseg data stats: count the records of a manifest.
#include <iostream>
#include <memory>

#include "data_commands.h"
#include "medseg/base/file.h"
#include "medseg/dataset/stats.h"
#include "medseg/dataset/stats_page.h"
#include "medseg/exchange/open_tokenizer.h"

namespace medseg {

namespace fs = std::filesystem;

void add_data_stats(CLI::App& data) {
  auto manifest = std::make_shared<fs::path>();
  auto tokenizer = std::make_shared<fs::path>();
  auto page = std::make_shared<fs::path>();
  auto json = std::make_shared<bool>(false);
  auto* command = data.add_subcommand("stats", "Counts, histograms and leakage of a manifest");
  command->add_option("manifest", *manifest, "manifest.jsonl")->required();
  command->add_flag("--json", *json, "one JSON object");
  command->add_option("--html", *page, "writes a page with charts and images, one file");
  command->add_option("--tokenizer", *tokenizer,
                      "count lengths in its tokens: a bundle or whatever medseg tokenize takes");
  command->footer(
      "Example: medseg data stats data/demo/manifest.jsonl --tokenizer runs/demo-start");
  command->callback([=] {
    const auto counter = tokenizer->empty() ? nullptr : open_tokenizer(*tokenizer, "");
    const auto read = Manifest::read(*manifest);
    const auto stats = count_manifest(read, counter.get());
    if (!page->empty()) {
      write_file(*page, stats_page(read, stats));
      if (!*json) std::cout << page->string() << ": written\n";
    }
    std::cout << (*json ? stats_json(stats) + "\n" : stats_text(stats));
  });
}

}  // namespace medseg
