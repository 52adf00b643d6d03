/// \file
/// What the operating system knows about this process.
#pragma once

#include <cstdint>
#include <string>

namespace medseg {

/// Peak of resident memory so far. Mapped files count as far as they were touched.
std::uint64_t peak_memory_bytes();

/// Memory that is resident now.
std::uint64_t resident_memory_bytes();

/// Peak of resident memory since the last begin_recent_peak(), or since the start, over all
/// threads. peak_memory_bytes() stays the peak of the whole process. If the kernel cannot reset its
/// counter, the two are the same.
void begin_recent_peak();
std::uint64_t recent_peak_bytes();

/// "3.41 GB"
std::string gigabytes_text(std::uint64_t bytes);

}  // namespace medseg
