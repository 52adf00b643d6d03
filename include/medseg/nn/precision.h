/// \file
/// The named choices of a precision and of a device.
#pragma once

#include <string>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "medseg/base/choice.h"

namespace medseg {

/// The number format that matrix products run in (AutocastScope) and frozen matrices are stored in.
enum class Precision { kBf16, kFp16, kFp32 };
template <>
struct Choice<Precision> {
  static constexpr ChoiceNames<Precision, 3> names = {
      {{Precision::kBf16, "bf16"}, {Precision::kFp16, "fp16"}, {Precision::kFp32, "fp32"}}};
};

enum class DeviceKind { kCpu, kCuda };
template <>
struct Choice<DeviceKind> {
  static constexpr ChoiceNames<DeviceKind, 2> names = {
      {{DeviceKind::kCpu, "cpu"}, {DeviceKind::kCuda, "cuda"}}};
};

/// kBFloat16, kHalf or kFloat.
at::ScalarType dtype_of(Precision precision);

/// The CPU, or the GPU number `gpu_index`, which becomes the current one: several processes of a
/// machine have one each.
/// \throws ConfigError at `where` if no GPU can be used or there are too few.
at::Device device_of(const std::string& where, DeviceKind kind, int gpu_index = 0);

/// The same by name.
/// \throws ConfigError at `where` on an unknown name, with the known ones.
at::ScalarType precision_named(const std::string& where, const std::string& name);
at::Device device_named(const std::string& where, const std::string& name, int gpu_index = 0);
const std::vector<std::string>& precision_names();

}  // namespace medseg
