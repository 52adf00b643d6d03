#include "medseg/http/sessions.h"

#include <algorithm>
#include <array>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <sys/stat.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr std::string_view kCookie = "medseg_session";
constexpr std::size_t kShortestToken = 16;
constexpr std::uint64_t kScryptN = 1 << 15, kScryptR = 8, kScryptP = 1;

std::string hexadecimal(const unsigned char* bytes, std::size_t count) {
  static constexpr const char* digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < count; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

std::string random_hex(std::size_t bytes) {
  std::array<unsigned char, 64> random{};
  MEDSEG_CHECK(bytes <= random.size() && RAND_bytes(random.data(), static_cast<int>(bytes)) == 1,
               "no random bytes");
  return hexadecimal(random.data(), bytes);
}

std::string scrypt(std::string_view password, std::string_view salt, std::uint64_t n,
                   std::uint64_t r, std::uint64_t p) {
  std::array<unsigned char, 32> hash{};
  const int made = EVP_PBE_scrypt(password.data(), password.size(),
                                  reinterpret_cast<const unsigned char*>(salt.data()), salt.size(),
                                  n, r, p, 256ULL << 20, hash.data(), hash.size());
  return made == 1 ? hexadecimal(hash.data(), hash.size()) : std::string();
}

std::uint64_t number_of(const std::string& text) {
  if (text.empty() || text.size() > 9 ||
      !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return 0;
  return std::stoull(text);
}

}  // namespace

std::string random_token() { return random_hex(32); }

bool same_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

BearerTokens::BearerTokens(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
    throw ConfigError(path.string(), "others may read this file of tokens; expected mode 0600");
  }
  int line = 0;
  for (const auto& text : split(raised_as<ConfigError>([&] { return read_file(path); }), '\n')) {
    ++line;
    const std::string token = trim(text.substr(0, text.find('#')));
    if (token.empty()) continue;
    if (token.size() < kShortestToken) {
      throw ConfigError(
          str_cat(path.string(), ":", line),
          str_cat("a token of ", token.size(), " characters, expected at least ", kShortestToken));
    }
    hashes_.push_back(sha256(token));
  }
  if (hashes_.empty()) throw ConfigError(path.string(), "holds no token");
}

bool BearerTokens::admits(const HttpRequest& request) const {
  static constexpr std::string_view prefix = "Bearer ";
  const std::string said = request.header("authorization");
  if (!said.starts_with(prefix)) return false;
  const std::string hash = sha256(trim(std::string_view(said).substr(prefix.size())));
  bool admitted = false;
  for (const auto& known : hashes_) admitted = same_secret(known, hash) || admitted;
  return admitted;
}

Sessions::Sessions(double idle_s, std::size_t most) : idle_s_(idle_s), most_(most) {}

Session Sessions::open(const std::string& user) {
  Session session{random_token(), random_token(), user};
  const std::lock_guard lock(mutex_);
  if (entries_.size() >= most_) {
    entries_.erase(std::min_element(entries_.begin(), entries_.end(), [](auto& a, auto& b) {
      return a.second.used < b.second.used;
    }));
  }
  entries_[sha256(session.id)] = {session, std::chrono::steady_clock::now()};
  return session;
}

std::optional<Session> Sessions::find(const HttpRequest& request) {
  const auto id = request.cookie(kCookie);
  if (!id) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(sha256(*id));
  if (found == entries_.end()) return std::nullopt;
  const auto now = std::chrono::steady_clock::now();
  if (std::chrono::duration<double>(now - found->second.used).count() > idle_s_) {
    entries_.erase(found);
    return std::nullopt;
  }
  found->second.used = now;
  return found->second.session;
}

void Sessions::close(const std::string& id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(sha256(id));
}

void Sessions::check_csrf(const Session& session, const HttpRequest& request) {
  if (!same_secret(session.csrf, request.header("x-csrf-token")))
    throw HttpError(403, "csrf", "the request has not the page's token");
}

std::string Sessions::cookie(const Session& session, bool secure) {
  return str_cat(kCookie, "=", session.id, "; Path=/; HttpOnly; SameSite=Strict",
                 secure ? "; Secure" : "");
}

std::string Sessions::cookie_of_nobody() {
  return str_cat(kCookie, "=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0");
}

std::string hashed_password(std::string_view password) {
  const std::string salt = random_hex(16);
  const std::string hash = scrypt(password, salt, kScryptN, kScryptR, kScryptP);
  MEDSEG_CHECK(!hash.empty(), "scrypt failed");
  return str_cat("scrypt$", kScryptN, "$", kScryptR, "$", kScryptP, "$", salt, "$", hash);
}

bool password_fits(std::string_view password, std::string_view hashed) {
  const auto parts = split(hashed, '$');
  if (parts.size() != 6 || parts[0] != "scrypt" || parts[5].size() != 64)
    throw ConfigError("expected scrypt$N$r$p$salt$hash");
  const auto n = number_of(parts[1]), r = number_of(parts[2]), p = number_of(parts[3]);
  const std::string hash = scrypt(password, parts[4], n, r, p);
  if (hash.empty()) throw ConfigError("scrypt takes no such numbers: " + std::string(hashed));
  return same_secret(hash, parts[5]);
}

}  // namespace medseg
