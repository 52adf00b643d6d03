// medseg data fingerprint: a training config that follows from the data.
#include <iostream>
#include <memory>

#include "data_commands.h"
#include "medseg/base/file.h"
#include "medseg/base/host.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/exchange/open_tokenizer.h"
#include "medseg/planning/proposed_config.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

struct Asked {
  fs::path manifest, out;
  std::string model = "runs/demo-start";
  double memory_gib = 0;
};

void propose(const Asked& asked) {
  ConfigQuestion question{asked.manifest.string(), asked.model, asked.memory_gib * kGiB / 1e9};
  std::string memory_note;
  if (question.memory_gb <= 0) {
    question.memory_gb = 0.8 * static_cast<double>(host_facts().memory_bytes) / 1e9;
    memory_note = str_cat(", eight tenths of this machine's");
  }
  const bool there = fs::exists(fs::path(asked.model) / "config.json");
  const auto tokenizer = there ? open_tokenizer(asked.model, "") : nullptr;
  const auto found = fingerprint(Manifest::read(asked.manifest), tokenizer.get());
  // The config without a plan is what the plan is made of.
  std::string text = proposed_config(found, question, std::nullopt);
  if (there) {
    const auto config = read_train_config(parse_json(text, asked.out.string()));
    text = proposed_config(found, question, make_plan(config));
  }
  read_train_config(parse_json(text, asked.out.string()));  // what is written can be read
  write_file(asked.out, text);
  std::cout << asked.out.string() << ": written for " << fixed(question.memory_gb * 1e9 / kGiB, 1)
            << " GiB" << memory_note << "\n";
  if (!there) {
    std::cout << "note: there is no bundle " << asked.model
              << ": lengths and memory were not measured (--model)\n";
  }
  std::cout << "next: medseg config check " << asked.out.string() << " && medseg train "
            << asked.out.string() << " --out RUN\n";
}

}  // namespace

void add_data_fingerprint(Command& data) {
  auto asked = std::make_shared<Asked>();
  auto* command = data.add_subcommand(
      "fingerprint", "Propose a training config for this data and this memory, with reasons");
  command->add_option("manifest", asked->manifest, "manifest.jsonl")->required();
  command->add_option("--out", asked->out, "the config to be written")->required();
  command->add_option("--model", asked->model, "the bundle that will be trained")->show_default();
  command
      ->add_option("--memory", asked->memory_gib,
                   "GiB that training may take; without it eight tenths of the machine's")
      ->positive();
  command->footer(
      "Example: medseg data fingerprint data/demo/manifest.jsonl --memory 8 --out mine.json");
  command->callback([asked] { propose(*asked); });
}

}  // namespace medseg
