#include <iomanip>
#include <iostream>
#include <memory>
#include <optional>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/bundle/audit.h"
#include "medseg/bundle/open_bundle.h"

namespace medseg {
namespace {

// Why the bundle must not be used for answers; nothing if it may.
std::optional<CheckpointError> refusal(const std::string& bundle, const BundleOptions& options,
                                       const BundleAudit& audit) {
  try {
    refuse_unfit(audit, bundle);
    refuse_untrained(options, bundle);
    open_bundle_tokenizer(bundle, options);
  } catch (const CheckpointError& error) {
    return error;
  }
  return std::nullopt;
}

void print_table(const std::string& bundle, const BundleAudit& audit) {
  std::cout << bundle << ": " << audit.loaded.size() << " loaded, " << audit.initialised.size()
            << " initialised and never trained, " << audit.missing.size() << " missing, "
            << audit.mismatched.size() << " mismatched, " << audit.unused.size() << " unused\n";
  const auto rows = [](const char* status, const std::vector<std::string>& names) {
    for (const auto& name : names)
      std::cout << "  " << std::left << std::setw(12) << status << " " << name << "\n";
  };
  rows("initialised", audit.initialised);
  rows("missing", audit.missing);
  rows("mismatched", audit.mismatched);
  rows("unused", audit.unused);
  rows("loaded", audit.loaded);
}

void audit(const std::string& bundle, bool json) {
  const auto options = read_bundle_options(bundle);
  const auto audit = audit_bundle(bundle, options);
  const auto fault = refusal(bundle, options, audit);
  if (json) {
    const nlohmann::json object = {{"bundle", bundle},
                                   {"usable", !fault},
                                   {"reason", fault ? fault->what() : ""},
                                   {"loaded", audit.loaded},
                                   {"initialised", audit.initialised},
                                   {"missing", audit.missing},
                                   {"mismatched", audit.mismatched},
                                   {"unused", audit.unused}};
    std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    print_table(bundle, audit);
  }
  if (fault) throw *fault;
}

}  // namespace

void add_model_audit(Command& model) {
  auto* command = model.add_subcommand(
      "audit", "what became of every tensor of a bundle; exit 4 if it must not be used");
  const auto bundle = std::make_shared<std::string>();
  const auto json = std::make_shared<bool>(false);
  command->add_option("BUNDLE", *bundle, "folder")->required();
  command->add_flag("--json", *json, "one JSON object");
  command->footer("Example: medseg model audit runs/demo/best");
  command->callback([bundle, json] { audit(*bundle, *json); });
}

}  // namespace medseg
