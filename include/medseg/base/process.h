/// \file
/// What the operating system knows about this process.
#pragma once

#include <cstdint>
#include <string>

namespace medseg {

/// Most memory that was resident at once so far; mapped files count where they were touched.
std::uint64_t peak_memory_bytes();

/// "3.41 GB"
std::string gigabytes_text(std::uint64_t bytes);

}  // namespace medseg
