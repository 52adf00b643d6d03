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
  std::uint64_t size = 0;                    ///< bytes when unpacked
};

/// Entries by name. Every offset is checked. \throws CheckpointError at `where`.
std::map<std::string, ZipEntry> read_zip(std::span<const std::uint8_t> bytes,
                                         const std::string& where);

/// The unpacked bytes of a small entry. \throws CheckpointError if it is larger than `limit`.
std::string unpack(const ZipEntry& entry, const std::string& where, std::uint64_t limit);
/// Unpacks a deflated entry into `out`, of `entry.size` bytes. Checksums are not compared, as in
/// torch.load. \throws CheckpointError
void inflate_into(const ZipEntry& entry, const std::string& where, std::span<std::uint8_t> out);
/// \throws CheckpointError if the entry cannot unpack to the size it states; call before
/// allocating.
void check_deflated_size(const ZipEntry& entry, const std::string& where);

}  // namespace medseg
