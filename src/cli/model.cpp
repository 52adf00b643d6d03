#include <iomanip>
#include <iostream>
#include <memory>

#include <nlohmann/json.hpp>

#include "commands.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/weights/tensor_file.h"
#include "model_commands.h"

namespace medseg {
namespace {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(str_cat(size));
  return "[" + join(sizes, ", ") + "]";
}

nlohmann::json metadata_json(const MetadataValue& value) {
  return std::visit([](const auto& plain) -> nlohmann::json { return plain; }, value);
}

// Long lists (vocabularies) are shown by their length.
std::string metadata_text(const MetadataValue& value) {
  const auto json = metadata_json(value);
  if (json.is_array() && json.size() > 8) return str_cat("list of ", json.size());
  const auto text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.size() > 120 ? str_cat(text.substr(0, 120), "…") : text;
}

struct InspectRequest {
  std::vector<std::string> files;
  bool json = false;
};

void inspect(const InspectRequest& request) {
  auto all = nlohmann::json::array();
  for (const auto& path : request.files) {
    const auto file = open_tensor_file(path);
    if (request.json) {
      nlohmann::json entry = {{"file", path},
                              {"format", file->format()},
                              {"tensors", nlohmann::json::array()},
                              {"metadata", nlohmann::json::object()}};
      for (const auto& info : file->tensors()) {
        entry["tensors"].push_back({{"name", info.name},
                                    {"dtype", info.dtype},
                                    {"shape", info.shape},
                                    {"bytes", info.bytes}});
      }
      for (const auto& [key, value] : file->metadata())
        entry["metadata"][key] = metadata_json(value);
      all.push_back(std::move(entry));
      continue;
    }
    std::uint64_t bytes = 0;
    for (const auto& info : file->tensors()) bytes += info.bytes;
    std::cout << path << ": " << file->format() << ", " << file->tensors().size() << " tensors, "
              << bytes << " bytes\n";
    for (const auto& [key, value] : file->metadata())
      std::cout << "  " << key << " = " << metadata_text(value) << "\n";
    for (const auto& info : file->tensors()) {
      std::cout << "  " << std::left << std::setw(6) << info.dtype << " " << std::setw(20)
                << shape_text(info.shape) << " " << info.name << "\n";
    }
  }
  if (request.json) {
    const auto& shown = all.size() == 1 ? all.front() : all;
    std::cout << shown.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  }
}

}  // namespace

void add_model(Command& app) {
  auto* model = app.add_subcommand(
      "model", "import, inspect, audit, trace and export weights, and their licences");
  model->require_subcommand();
  add_model_import(*model);
  add_model_export(*model);

  auto* show = model->add_subcommand("inspect",
                                     "tensors, dtypes, shapes and metadata of any supported file");
  const auto request = std::make_shared<InspectRequest>();
  show->add_option("FILE", request->files,
                   "safetensors, torch .pth/.bin, GGUF, ONNX, a folder or an index")
      ->required();
  show->add_flag("--json", request->json, "one JSON object a file");
  show->footer("Example: medseg model inspect lite_medsam.pth");
  show->callback([request] { inspect(*request); });
  add_model_licence(*model);
  add_model_audit(*model);
  add_model_trace(*model);
}

}  // namespace medseg
