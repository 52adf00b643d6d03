#include <iostream>

#include "commands.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/training/options.h"

namespace medseg {
namespace {

struct ConfigArguments {
  std::filesystem::path file;
  std::vector<std::filesystem::path> files;
  std::vector<std::string> overrides;
};

void document() {
  auto fields = describe_options(TrainConfig{});
  // Lists are empty by default, so the fields of their elements are described after them.
  for (auto& field : describe_options(DataSource{}, "data.train[]"))
    fields.push_back(std::move(field));
  for (auto& field :
       describe_options(DataSource{.manifest = "", .split = "val"}, "data.validation[]")) {
    fields.push_back(std::move(field));
  }
  for (auto& field : describe_options(GroupOptions{}, "train.optimizer.groups[]"))
    fields.push_back(std::move(field));
  for (const auto& field : fields) {
    std::cout << field.path << " = " << field.value;
    if (!field.description.empty()) std::cout << "\n    " << field.description;
    if (!field.choices.empty()) std::cout << "\n    one of: " << join(field.choices, " ");
    std::cout << "\n";
  }
}

}  // namespace

void add_config(Command& app) {
  auto* config = app.add_subcommand(
      "config", "Training configs: effective values, validation, every field explained");
  config->require_subcommand();
  auto arguments = std::make_shared<ConfigArguments>();

  auto* show = config->add_subcommand(
      "show", "Print the effective config: file, what it extends, --set, defaults");
  show->add_option("config", arguments->file)->required();
  show->add_option("--set", arguments->overrides, "a.b=value; may be given again")
      ->no_more_values();
  show->footer("Example: medseg config show configs/train/demo.json --set train.steps=300");
  show->callback([arguments] {
    std::cout << write_options(
                     read_train_config(load_config(arguments->file, arguments->overrides)))
                     .dump(2)
              << "\n";
  });

  auto* check =
      config->add_subcommand("check", "Read and validate configs; exit 2 at the first fault");
  check->add_option("configs", arguments->files)->required();
  check->footer("Example: medseg config check configs/train/demo.json configs/train/tiny.json");
  check->callback([arguments] {
    for (const auto& file : arguments->files) {
      const auto json = load_config(file);  // its errors name the file
      with_place(file.string(), [&] { read_train_config(json); });
      std::cout << file.string() << ": good\n";
    }
  });

  auto* doc = config->add_subcommand("doc", "Every field with its default and meaning");
  doc->footer("Example: medseg config doc");
  doc->callback(document);
  config->footer("Example: medseg config doc");
}

}  // namespace medseg
