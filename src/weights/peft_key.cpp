#include "peft_key.h"

#include <ATen/ATen.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

void erase_all(std::string& text, std::string_view part) {
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part))
    text.erase(at, part.size());
}

}  // namespace

PeftKey peft_key_of(std::string name, const std::string& where) {
  if (!name.starts_with(kPeftPrefix)) {
    throw CheckpointError(str_cat(where, ": ", name),
                          str_cat("does not begin with ", std::string(kPeftPrefix)));
  }
  name.erase(0, kPeftPrefix.size());
  for (const char* refused : {"lora_magnitude_vector", "lora_embedding_A", "lora_embedding_B",
                              "lora_A.bias", "lora_B.bias"}) {
    if (name.find(refused) != std::string::npos)
      throw CheckpointError(str_cat(where, ": ", name), str_cat(refused, " is not supported"));
  }
  for (const char half : {'A', 'B'}) {
    for (const char* end : {".weight", ".default.weight"}) {
      const auto suffix = str_cat(".lora_", half, end);
      if (name.ends_with(suffix)) return {name.substr(0, name.size() - suffix.size()), half};
    }
  }
  erase_all(name, "modules_to_save.default.");
  erase_all(name, "modules_to_save.");
  return {name, ' '};
}

std::string module_of(const std::string& weight) {
  return weight.substr(0, weight.size() - std::string_view(".weight").size());
}

void check_halves(const AdapterLayer& layer, std::int64_t rank, const std::string& where) {
  for (const auto& [half, tensor] : {std::pair{"lora_A", &layer.a}, {"lora_B", &layer.b}}) {
    if (!tensor->defined())
      throw CheckpointError(str_cat(where, ": ", layer.module), str_cat("no tensor ", half));
    if (tensor->dim() != 2 || !tensor->is_floating_point()) {
      throw CheckpointError(
          where, str_cat(layer.module, ".", half, ": a matrix is expected, got ", tensor->sizes()));
    }
  }
  if (layer.a.size(0) != layer.b.size(1) || layer.a.size(0) != rank) {
    throw CheckpointError(str_cat(where, ": ", layer.module),
                          str_cat("lora_A is ", layer.a.sizes(), " and lora_B ", layer.b.sizes(),
                                  ", but adapter_config.json says rank ", rank));
  }
}

}  // namespace medseg
