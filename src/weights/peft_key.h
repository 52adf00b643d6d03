/// \file
/// Names of tensors as PEFT writes them.
#pragma once

#include <string>
#include <string_view>

#include "medseg/weights/peft.h"

namespace medseg {

inline constexpr std::string_view kPeftPrefix = "base_model.model.";

/// The parts of a tensor's name: the parameter or module, and which half it is.
struct PeftKey {
  std::string name;  ///< without the prefix and without parts that PEFT inserts
  char half = ' ';   ///< 'A', 'B', or ' ' for a whole parameter
};
/// \throws CheckpointError at `where` without the prefix, and for DoRA, adapted embeddings and
/// biases.
PeftKey peft_key_of(std::string name, const std::string& where);

/// The module of a parameter that ends in ".weight".
std::string module_of(const std::string& weight);

/// \throws CheckpointError if a half is missing, or they do not fit each other or `rank`.
void check_halves(const AdapterLayer& layer, std::int64_t rank, const std::string& where);

}  // namespace medseg
