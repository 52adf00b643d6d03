/// \file
/// SHA-256, the only hash of the project: file checks, cache keys, provenance.
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

/// The same for data that is not in memory at once.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  void add(std::span<const std::uint8_t> bytes);
  void add(std::string_view bytes);
  /// The hash of all that was added. To be called once, at the end.
  std::string text();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

/// Hash of a file. \throws DataError if it cannot be read.
std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace medseg
