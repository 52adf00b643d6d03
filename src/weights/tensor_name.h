/// \file
/// Which names a tensor may have.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace medseg {

inline constexpr std::size_t kLongestName = 1024;

/// "" for a valid name, else what is wrong: empty, longer than kLongestName, not UTF-8, or control
/// characters.
std::string name_fault(std::string_view name);

}  // namespace medseg
