#include "raw_voxels.h"

#include <algorithm>
#include <cstring>

#include "medseg/base/error.h"

namespace medseg {
namespace {

template <class T>
std::vector<float> decode(std::string_view bytes, std::size_t count, bool swapped,
                          const Scaling& scaling) {
  MEDSEG_CHECK(bytes.size() / sizeof(T) >= count, "decode_voxels: too few bytes");
  std::vector<float> out(count);
  const bool scaled = scaling.slope != 1 || scaling.intercept != 0;
  for (std::size_t i = 0; i < count; ++i) {
    char raw[sizeof(T)];
    std::memcpy(raw, bytes.data() + i * sizeof(T), sizeof(T));
    if (swapped) std::reverse(raw, raw + sizeof(T));
    T value;
    std::memcpy(&value, raw, sizeof(T));
    out[i] =
        scaled ? static_cast<float>(static_cast<double>(value) * scaling.slope + scaling.intercept)
               : static_cast<float>(value);
  }
  return out;
}

}  // namespace

std::size_t width_of(VoxelType type) {
  switch (type) {
    case VoxelType::kU8:
    case VoxelType::kI8:
      return 1;
    case VoxelType::kU16:
    case VoxelType::kI16:
      return 2;
    case VoxelType::kU32:
    case VoxelType::kI32:
    case VoxelType::kF32:
      return 4;
    case VoxelType::kU64:
    case VoxelType::kI64:
    case VoxelType::kF64:
      return 8;
  }
  return 0;
}

std::vector<float> decode_voxels(std::string_view bytes, std::size_t count, VoxelType type,
                                 bool swapped, const Scaling& scaling) {
  switch (type) {
    case VoxelType::kU8:
      return decode<std::uint8_t>(bytes, count, swapped, scaling);
    case VoxelType::kI8:
      return decode<std::int8_t>(bytes, count, swapped, scaling);
    case VoxelType::kU16:
      return decode<std::uint16_t>(bytes, count, swapped, scaling);
    case VoxelType::kI16:
      return decode<std::int16_t>(bytes, count, swapped, scaling);
    case VoxelType::kU32:
      return decode<std::uint32_t>(bytes, count, swapped, scaling);
    case VoxelType::kI32:
      return decode<std::int32_t>(bytes, count, swapped, scaling);
    case VoxelType::kU64:
      return decode<std::uint64_t>(bytes, count, swapped, scaling);
    case VoxelType::kI64:
      return decode<std::int64_t>(bytes, count, swapped, scaling);
    case VoxelType::kF32:
      return decode<float>(bytes, count, swapped, scaling);
    case VoxelType::kF64:
      return decode<double>(bytes, count, swapped, scaling);
  }
  return {};
}

}  // namespace medseg
