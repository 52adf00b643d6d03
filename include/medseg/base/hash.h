/// \file
/// SHA-256, the one hash of the project: file checks, cache keys, provenance.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace medseg {

/// 64 lower-case hexadecimal digits.
std::string sha256(std::string_view bytes);
std::string sha256(std::span<const std::uint8_t> bytes);

/// The same over pieces that are never in memory together.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view bytes);
  /// Of all that was added. To be asked once, at the end.
  std::string text();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Of a file's bytes. \throws DataError if it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace medseg
