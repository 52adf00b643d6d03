#include <iomanip>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "medseg/bundle/bundle.h"
#include "medseg/bundle/licence.h"
#include "model_commands.h"

namespace medseg {
namespace {

struct LicenceRequest {
  std::string bundle;
  bool json = false, text = false;
};

void print_json(const std::string& bundle, const std::vector<PartLicence>& licences) {
  auto parts = nlohmann::json::array();
  for (const auto& licence : licences) {
    auto part = write_options(licence);
    part["kind"] = name_of(kind_of_terms(licence.terms));
    parts.push_back(std::move(part));
  }
  const nlohmann::json object = {{"bundle", bundle}, {"parts", std::move(parts)}};
  std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
}

void licence(const LicenceRequest& request) {
  const auto options = read_bundle_options(request.bundle);
  const auto licences = by_strictness(options.licences, options.model);
  if (request.json) {
    print_json(request.bundle, licences);
    return;
  }
  for (const auto& part : licences) {
    const auto kind = kind_of_terms(part.terms);
    std::cout << std::left << std::setw(15) << name_of(kind) << " " << std::setw(10) << part.part
              << " ";
    if (kind == TermsKind::kUnknown) {
      std::cout << "the source states no terms: they are to be asked for\n";
      continue;
    }
    std::cout << part.terms << " (" << part.source << ": " << part.stated_in << ")"
              << (part.link.empty() ? "" : " " + part.link) << "\n";
    if (request.text && !part.text.empty()) std::cout << "\n" << part.text << "\n";
  }
}

}  // namespace

void add_model_licence(Command& model) {
  auto* command = model.add_subcommand(
      "licence", "under which terms each part of a bundle came, the strictest first");
  const auto request = std::make_shared<LicenceRequest>();
  command->add_option("BUNDLE", request->bundle, "folder")->required();
  command->add_flag("--text", request->text, "the licences' whole text too, where it was kept");
  command->add_flag("--json", request->json, "one JSON object");
  command->footer(
      "Terms are what the sources stated when they were imported: the front matter of README.md, "
      "a\n"
      "LICENSE file, general.license of a GGUF. They go through training and export with the "
      "model.\n"
      "\nExample: medseg model licence runs/demo/best");
  command->callback([request] { licence(*request); });
}

}  // namespace medseg
