/// \file
/// gzip streams with a cap, so that a small file cannot become a large memory.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace medseg {

bool is_gzip(std::span<const std::uint8_t> bytes);

/// Unpacks at most `limit` bytes and stops there. \throws DataError "where: damaged gzip stream".
std::string gunzip(std::span<const std::uint8_t> bytes, std::uint64_t limit,
                   const std::string& where);

}  // namespace medseg
