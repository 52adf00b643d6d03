#include "medseg/base/hash.h"

#include <array>

#include <openssl/evp.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"

namespace medseg {

std::string sha256(std::span<const std::uint8_t> bytes) {
  std::array<unsigned char, 32> digest{};
  unsigned int length = 0;
  MEDSEG_CHECK(
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) == 1,
      "sha256 failed");
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string sha256(std::string_view bytes) {
  return sha256(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

std::string sha256_of_file(const std::filesystem::path& path) {
  return sha256(MappedFile(path).bytes());
}

}  // namespace medseg
