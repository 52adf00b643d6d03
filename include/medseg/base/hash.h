/// \file
/// SHA-256, the one hash of the project: file checks, cache keys, provenance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace medseg {

/// 64 lower-case hexadecimal digits.
std::string sha256(std::string_view bytes);
std::string sha256(std::span<const std::uint8_t> bytes);

/// Of a file's bytes. \throws DataError if it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace medseg
