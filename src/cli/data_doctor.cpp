// medseg data doctor: check manifests.
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "data_commands.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/doctor.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

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

}  // namespace

void add_data_doctor(CLI::App& data) {
  auto manifests = std::make_shared<std::vector<fs::path>>();
  auto json = std::make_shared<bool>(false);
  auto* command = data.add_subcommand("doctor", "Check manifests; exit 3 if there is any fault");
  command->add_option("manifests", *manifests, "manifest.jsonl …")->required();
  command->add_flag("--json", *json, "one JSON object");
  command->footer("Example: medseg data doctor data/demo/manifest.jsonl");
  command->callback([manifests, json] { doctor(*manifests, *json); });
}

}  // namespace medseg
