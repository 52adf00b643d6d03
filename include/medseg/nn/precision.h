/// \file
/// The words of a config or a command line for a precision and a device.
#pragma once

#include <string>
#include <vector>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace medseg {

/// "bf16", "fp16", "fp32".
const std::vector<std::string>& precision_names();

/// The dtype that matrix products run in (AutocastScope) and frozen matrices are stored in: kBFloat16, kHalf or kFloat.
/// \throws ConfigError "`where`: unknown precision …" with the list.
at::ScalarType precision_named(const std::string& where, const std::string& name);

/// "cpu", or "cuda": GPU number `gpu_index`, which becomes the current one (several processes of a machine have one each).
/// \throws ConfigError "`where`: …" on another word, and where no GPU can be used or there are too few.
at::Device device_named(const std::string& where, const std::string& name, int gpu_index = 0);

}  // namespace medseg
