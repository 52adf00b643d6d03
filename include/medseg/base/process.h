/// \file
/// What the operating system knows about this process.
#pragma once

#include <cstdint>
#include <string>

namespace medseg {

/// Most memory that was resident at once so far; mapped files count where they were touched.
std::uint64_t peak_memory_bytes();

/// What is resident now.
std::uint64_t resident_memory_bytes();

/// Most memory that was resident at once since the last begin_recent_peak(), or since the start. peak_memory_bytes()
/// stays that of the whole process. Where the kernel lets no one begin anew, the two are the same. Counts all threads.
void begin_recent_peak();
std::uint64_t recent_peak_bytes();

/// "3.41 GB"
std::string gigabytes_text(std::uint64_t bytes);

}  // namespace medseg
