/// \file
/// The words of a config or a command line for a precision and a device.
#pragma once

#include <string>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "medseg/base/choice.h"

namespace medseg {

/// What matrix products run in (AutocastScope) and frozen matrices are stored in.
enum class Precision { kBf16, kFp16, kFp32 };
template <>
struct Choice<Precision> {
  static constexpr ChoiceNames<Precision, 3> names = {
      {{Precision::kBf16, "bf16"}, {Precision::kFp16, "fp16"}, {Precision::kFp32, "fp32"}}};
};

/// kBFloat16, kHalf or kFloat.
at::ScalarType dtype_of(Precision precision);

enum class DeviceKind { kCpu, kCuda };
template <>
struct Choice<DeviceKind> {
  static constexpr ChoiceNames<DeviceKind, 2> names = {
      {{DeviceKind::kCpu, "cpu"}, {DeviceKind::kCuda, "cuda"}}};
};

/// The CPU, or GPU number `gpu_index`, which becomes the current one (several processes of a
/// machine have one each). `where` names the option in messages.
/// \throws ConfigError where no GPU can be used or there are too few.
at::Device open_device(const std::string& where, DeviceKind kind, int gpu_index = 0);

/// "bf16", "fp16", "fp32".
const std::vector<std::string>& precision_names();

/// dtype_of the precision that has this name.
/// \throws ConfigError "`where`: unknown precision …" with the list.
at::ScalarType precision_named(const std::string& where, const std::string& name);

/// open_device of "cpu" or "cuda". \throws ConfigError also on another word.
at::Device device_named(const std::string& where, const std::string& name, int gpu_index = 0);

}  // namespace medseg
