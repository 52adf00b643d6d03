#include "dtypes.h"

#include <array>

#include <ATen/ATen.h>

namespace medseg {
namespace {

struct Row {
  std::string_view safetensors;
  std::string_view storage;
  at::ScalarType dtype;
};

constexpr std::array<Row, 9> kRows = {{{"F64", "DoubleStorage", at::kDouble},
                                       {"F32", "FloatStorage", at::kFloat},
                                       {"F16", "HalfStorage", at::kHalf},
                                       {"BF16", "BFloat16Storage", at::kBFloat16},
                                       {"I64", "LongStorage", at::kLong},
                                       {"I32", "IntStorage", at::kInt},
                                       {"I16", "ShortStorage", at::kShort},
                                       {"I8", "CharStorage", at::kChar},
                                       {"U8", "ByteStorage", at::kByte}}};

}  // namespace

std::optional<at::ScalarType> safetensors_dtype(std::string_view name) {
  if (name == "BOOL") return at::kBool;
  for (const auto& row : kRows) {
    if (row.safetensors == name) return row.dtype;
  }
  return std::nullopt;
}

std::optional<std::uint64_t> safetensors_width(std::string_view name) {
  if (const auto dtype = safetensors_dtype(name)) return c10::elementSize(*dtype);
  if (name == "U64") return 8;
  if (name == "U32") return 4;
  if (name == "U16") return 2;
  if (name == "F8_E4M3" || name == "F8_E5M2") return 1;
  return std::nullopt;
}

std::string safetensors_name(at::ScalarType dtype) {
  if (dtype == at::kBool) return "BOOL";
  for (const auto& row : kRows) {
    if (row.dtype == dtype) return std::string(row.safetensors);
  }
  TORCH_CHECK(false, "safetensors: no name for dtype ", dtype);
}

std::optional<at::ScalarType> torch_storage_dtype(std::string_view name) {
  if (name == "BoolStorage") return at::kBool;
  for (const auto& row : kRows) {
    if (row.storage == name) return row.dtype;
  }
  return std::nullopt;
}

}  // namespace medseg
