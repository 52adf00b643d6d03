// medseg data new: a small set that trains, to be edited.
#include <iostream>
#include <memory>

#include "data_commands.h"
#include "medseg/convert/new_set.h"

namespace medseg {

void add_data_new(Command& data) {
  auto out = std::make_shared<std::filesystem::path>();
  auto scans = std::make_shared<int>(0);
  auto* command = data.add_subcommand(
      "new", "Write a small set that trains, a record of each form, to be edited");
  command->add_option("folder", *out, "folder to be made")->required();
  command
      ->add_option("--scans", *scans,
                   "so many scans with label volumes to practise on, and no manifest")
      ->in_range(1, 1000);
  command->footer("Example: medseg data new my-data");
  command->callback([out, scans] {
    if (*scans > 0) {
      write_practice_scans(*out, *scans);
      std::cout << out->string() << ": " << *scans
                << " drawn scans, case-N/ct.nii with case-N/labels.nii (1 bright organ, 2 dark "
                   "organ)\n";
      return;
    }
    const auto said = write_new_set(*out);
    std::cout << (*out / "manifest.jsonl").string() << ": drawn shapes, no patient\n";
    for (const auto& line : said) std::cout << "  " << line << "\n";
    std::cout << "next: medseg data doctor " << (*out / "manifest.jsonl").string() << "\n";
  });
}

}  // namespace medseg
