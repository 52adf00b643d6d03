/// \file
/// gzip streams with a cap, so that a small file cannot become a large memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace medseg {

bool is_gzip(std::span<const std::uint8_t> bytes);

/// Throws before anything is allocated if so few bytes cannot unpack to `needed`: deflate packs at
/// most 1032 to 1. \throws DataError.
void check_can_unpack(std::span<const std::uint8_t> bytes, std::uint64_t needed,
                      const std::string& where);

/// All members of a gzip file, or one zlib stream. Unpacks at most `limit` bytes and stops there.
/// \throws DataError "where: damaged gzip stream".
std::string gunzip(std::span<const std::uint8_t> bytes, std::uint64_t limit,
                   const std::string& where);

}  // namespace medseg
