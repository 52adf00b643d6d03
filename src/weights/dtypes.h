/// \file
/// Names of element types in files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <c10/core/ScalarType.h>

namespace medseg {

std::optional<at::ScalarType> safetensors_dtype(std::string_view name);
std::optional<std::uint64_t> safetensors_width(
    std::string_view name);                          ///< bytes, of types without tensors too
std::string safetensors_name(at::ScalarType dtype);  ///< \pre one of the table
/// "FloatStorage" -> kFloat …
std::optional<at::ScalarType> torch_storage_dtype(std::string_view name);

}  // namespace medseg
