#include "dtypes.h"

#include <array>
#include <utility>

#include <ATen/ATen.h>

namespace medseg {
namespace {

struct Row {
  std::string_view safetensors;
  std::string_view storage;
  at::ScalarType dtype;
};

constexpr std::array<Row, 10> kRows = {{{"F64", "DoubleStorage", at::kDouble},
                                        {"F32", "FloatStorage", at::kFloat},
                                        {"F16", "HalfStorage", at::kHalf},
                                        {"BF16", "BFloat16Storage", at::kBFloat16},
                                        {"I64", "LongStorage", at::kLong},
                                        {"I32", "IntStorage", at::kInt},
                                        {"I16", "ShortStorage", at::kShort},
                                        {"I8", "CharStorage", at::kChar},
                                        {"U8", "ByteStorage", at::kByte},
                                        {"BOOL", "BoolStorage", at::kBool}}};

// Bytes per number of types that are only listed, never loaded.
constexpr std::array<std::pair<std::string_view, std::uint64_t>, 5> kOtherWidths = {
    {{"U64", 8}, {"U32", 4}, {"U16", 2}, {"F8_E4M3", 1}, {"F8_E5M2", 1}}};

}  // namespace

std::optional<at::ScalarType> safetensors_dtype(std::string_view name) {
  for (const auto& row : kRows) {
    if (row.safetensors == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> safetensors_width(std::string_view name) {
  if (const auto dtype = safetensors_dtype(name)) return c10::elementSize(*dtype);
  for (const auto& [other, width] : kOtherWidths) {
    if (other == name) return width;
  }
  return std::nullopt;
}

std::string safetensors_name(at::ScalarType dtype) {
  for (const auto& row : kRows) {
    if (row.dtype == dtype) return std::string(row.safetensors);
  }
  TORCH_CHECK(false, "safetensors: no name for dtype ", dtype);
}

std::optional<at::ScalarType> torch_storage_dtype(std::string_view name) {
  for (const auto& row : kRows) {
    if (row.storage == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace medseg
