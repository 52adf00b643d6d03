/// \file
/// gzip streams: unpacked with a cap, so that a small file cannot become a large memory; packed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

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

/// The same for a deflate stream without head and check sum, as DICOM has it.
std::string inflate_bare(std::span<const std::uint8_t> bytes, std::uint64_t limit,
                         const std::string& where);

enum class PackedForm { kGzip, kZlib };

/// One stream without a time, so that equal bytes give equal files.
std::string gzip(std::string_view bytes, PackedForm form);

}  // namespace medseg
