// medseg data convert: other data sets' formats into a manifest.
#include <iomanip>
#include <iostream>
#include <memory>
#include <sstream>

#include <nlohmann/json.hpp>

#include "data_commands.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/convert/convert.h"

namespace medseg {
namespace {

struct Asked {
  ConvertOptions options;
  std::string labels;
  std::vector<double> shares;
  bool list = false, json = false;
};

void list_formats(bool json) {
  if (json) {
    auto all = nlohmann::ordered_json::array();
    for (const auto& format : convert_formats()) {
      all.push_back({{"format", format.name},
                     {"what", format.what},
                     {"layout", format.layout},
                     {"licence", format.licence},
                     {"convert", format.reads},
                     {"export", format.writes}});
    }
    std::cout << all.dump() << "\n";
    return;
  }
  std::cout << "format       export  what, and what SRC holds\n";
  for (const auto& format : convert_formats()) {
    std::cout << std::left << std::setw(13) << format.name << std::setw(8)
              << (format.writes ? "yes" : "") << format.what << ": " << format.layout << "\n";
  }
}

void convert_data(Asked& asked) {
  if (asked.list) {
    list_formats(asked.json);
    return;
  }
  auto& options = asked.options;
  if (options.format.empty())
    throw ConfigError("--from", "missing; `data convert --list` names all");
  if (options.out.empty()) throw ConfigError("--out", "missing; expected a folder");
  if (!asked.labels.empty()) options.labels = parse_labels("--labels", asked.labels);
  for (std::size_t i = 0; i < asked.shares.size(); ++i) options.shares[i] = asked.shares[i];
  const auto summary = convert(options);
  if (asked.json) {
    std::cout << summary_json(summary) << "\n";
  } else {
    std::cout << (options.out / "manifest.jsonl").string() << ": " << summary_text(summary);
  }
}

}  // namespace

void add_data_convert(Command& data) {
  auto asked = std::make_shared<Asked>();
  auto& options = asked->options;
  auto* command =
      data.add_subcommand("convert", "Turn another data set's format into a checked manifest");
  command->add_flag("--list", asked->list, "names every format");
  command->add_option("--from", options.format, "the format of SRC");
  command->add_option("sources", options.sources, "SRC: folders or annotation files");
  command->add_option("--out", options.out,
                      "folder of manifest.jsonl; replaces an earlier conversion");
  command->add_option("--images", options.images,
                      "pairs: names of images, as 'images/{case}.png'; also {subject} {split}");
  command->add_option("--masks", options.masks,
                      "pairs: names of masks, as 'masks/{case}_{label}.png'");
  command->add_option(
      "--labels", asked->labels,
      "pairs: names of label values, \"1=liver,2=tumour\", or of the one structure");
  command->add_option("--modality", options.modality, "ct, mr, us, xray, … for every record");
  command->add_option("--source", options.source, "what the records say of their source");
  command->add_option("--licence", options.licence, "what the records say of their licence");
  command
      ->add_option("--splits", asked->shares,
                   "shares of subjects for train, val, test where the source has no splits")
      ->expected(3)
      ->show_default("0.7 0.1 0.2");
  command->add_option("--seed", options.seed, "of splits, questions and subsets")->show_default();
  command
      ->add_option("--limit", options.limit,
                   "a subset of so many images, stratified by split and structure")
      ->not_negative();
  command
      ->add_option("--absent", options.absent,
                   "questions about absent structures, for each about a present one")
      ->in_range(0.0, 10.0)
      ->show_default();
  command
      ->add_option("--min-area", options.min_area,
                   "pixels; smaller structures are neither asked for nor denied")
      ->in_range(1, 1 << 28)
      ->show_default();
  command->add_option("--turns", options.turns, "most questions of a record")
      ->in_range(1, 1000)
      ->show_default();
  command->add_option("--axis", options.axis, "volumes: slices along this axis of the patient")
      ->in_range(0, 2)
      ->show_default();
  command->add_option("--every", options.every, "volumes: every n-th slice that shows a structure")
      ->in_range(1, 1 << 20)
      ->show_default();
  command->add_option("--channel", options.channel,
                      "volumes: this channel alone of cases with several (flair, T1, …)");
  command->add_flag("--copy", options.copy,
                    "copy images and masks into --out; else they stay where they are");
  command->add_flag("--pseudonyms", options.pseudonyms,
                    "numbers for the names of subjects, records and copied files");
  command->add_flag("--json", asked->json, "the summary as one JSON object");
  command->footer(
      "Example: medseg data convert --from nnunet nnUNet_raw/Dataset001_Liver --out data/liver");
  command->callback([asked] { convert_data(*asked); });
}

void add_data_export(Command& data) {
  auto manifest = std::make_shared<std::filesystem::path>();
  auto out = std::make_shared<std::filesystem::path>();
  auto format = std::make_shared<std::string>();
  auto* command = data.add_subcommand("export", "Write a manifest in another data set's format");
  command->add_option("manifest", *manifest, "manifest.jsonl")->required();
  command->add_option("--to", *format, "a format; `data convert --list` says which can be written")
      ->required();
  command->add_option("--out", *out, "folder to be made")->required();
  command->footer("Example: medseg data export data/demo/manifest.jsonl --to coco --out demo-coco");
  command->callback([=] {
    const auto summary = export_manifest(*manifest, *format, *out);
    std::cout << out->string() << ": " << summary.pictures << " images, " << summary.masks
              << " masks\n";
    for (const auto& note : summary.notes) std::cout << "note: " << note << "\n";
    for (const auto& one : summary.skipped) {
      std::cout << "skipped: " << one.count << ": " << one.reason << " (first: " << one.first
                << ")\n";
    }
  });
}

}  // namespace medseg
