#include "medseg/base/hash.h"

#include <algorithm>
#include <array>
#include <memory>

#include <openssl/evp.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"

namespace medseg {
namespace {

constexpr std::size_t kPiece = 16 << 20;  // bytes of a file in memory at once

void check(int done) { MEDSEG_CHECK(done == 1, "sha256 failed"); }

}  // namespace

struct Sha256::Context {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> digest{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  check(EVP_DigestInit_ex(context_->digest.get(), EVP_sha256(), nullptr));
}

Sha256::~Sha256() = default;

void Sha256::add(std::span<const std::uint8_t> bytes) {
  check(EVP_DigestUpdate(context_->digest.get(), bytes.data(), bytes.size()));
}

void Sha256::add(std::string_view bytes) {
  add(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

std::string Sha256::text() {
  std::array<unsigned char, 32> digest{};
  check(EVP_DigestFinal_ex(context_->digest.get(), digest.data(), nullptr));
  constexpr char kDigits[] = "0123456789abcdef";
  std::string digits;
  for (const unsigned char byte : digest) {
    digits += kDigits[byte >> 4];
    digits += kDigits[byte & 15];
  }
  return digits;
}

std::string sha256(std::span<const std::uint8_t> bytes) {
  Sha256 digest;
  digest.add(bytes);
  return digest.text();
}

std::string sha256(std::string_view bytes) {
  return sha256(std::span(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()));
}

std::string sha256_of_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  Sha256 digest;
  for (auto rest = file.bytes(); !rest.empty();) {
    const auto piece = rest.first(std::min(rest.size(), kPiece));
    digest.add(piece);
    file.release(piece);
    rest = rest.subspan(piece.size());
  }
  return digest.text();
}

}  // namespace medseg
