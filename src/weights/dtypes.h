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
    /// bytes; also for types that torch does not have.
    std::string_view name);
std::string safetensors_name(at::ScalarType dtype);  ///< \pre a type of the table
/// "FloatStorage" -> kFloat …
std::optional<at::ScalarType> torch_storage_dtype(std::string_view name);

}  // namespace medseg
