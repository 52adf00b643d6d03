/// \file
/// The entries of a zip archive: central directory, zip64, stored and deflated.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

namespace medseg {

struct ZipEntry {
  std::uint16_t method = 0;                  ///< 0 stored, 8 deflated
  std::span<const std::uint8_t> compressed;  ///< inside the archive's bytes
  std::uint64_t size = 0;                    ///< unpacked
};

/// By name. Every offset is checked against the bytes. \throws CheckpointError "where: what".
std::map<std::string, ZipEntry> read_zip(std::span<const std::uint8_t> bytes,
                                         const std::string& where);

/// The unpacked bytes of a small entry. \throws CheckpointError if it is larger than `limit`.
std::string unpack(const ZipEntry& entry, const std::string& where, std::uint64_t limit);

}  // namespace medseg
