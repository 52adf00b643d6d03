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

nlohmann::ordered_json counts_json(const std::map<FaultKind, std::int64_t>& counts) {
  auto json = nlohmann::ordered_json::object();
  for (const auto& [kind, count] : counts) json[name_of(kind)] = count;
  return json;
}

void print_more(const std::map<FaultKind, std::int64_t>& counts, const char* prefix) {
  for (const auto& [kind, count] : counts)
    std::cout << prefix << "and " << count << " more of kind " << name_of(kind) << "\n";
}

void doctor(const std::vector<fs::path>& manifests, int threads, bool json) {
  const auto found = examine(manifests, {threads, true});
  if (json) {
    const nlohmann::ordered_json out = {{"records", found.records},
                                        {"faults", findings_json(found.faults)},
                                        {"warnings", findings_json(found.warnings)},
                                        {"more_faults", counts_json(found.more_faults)},
                                        {"more_warnings", counts_json(found.more_warnings)}};
    std::cout << out.dump() << "\n";
  } else {
    print_findings(found.faults, "");
    print_more(found.more_faults, "");
    print_findings(found.warnings, "warning: ");
    print_more(found.more_warnings, "warning: ");
  }
  if (found.fault_count() > 0) {
    throw DataError("data doctor",
                    str_cat(found.fault_count(), found.fault_count() == 1 ? " fault" : " faults"));
  }
  if (!json) std::cout << "no faults\n";
}

}  // namespace

void add_data_doctor(Command& data) {
  auto manifests = std::make_shared<std::vector<fs::path>>();
  auto json = std::make_shared<bool>(false);
  auto threads = std::make_shared<int>(0);
  auto* command = data.add_subcommand("doctor", "Check manifests; exit 3 if there is any fault");
  command->add_option("manifests", *manifests, "manifest.jsonl …")->required();
  command->add_option("--threads", *threads, "that read lines; 0: as many as there are processors")
      ->in_range(0, 64);
  command->add_flag("--json", *json, "one JSON object");
  command->footer("Example: medseg data doctor data/demo/manifest.jsonl");
  command->callback([=] { doctor(*manifests, *threads, *json); });
}

}  // namespace medseg
