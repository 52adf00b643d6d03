/// \file
/// Who asks: bearer tokens from a file, and sessions of a page with their tokens against forged
/// requests. Every comparison of secrets takes the same time wherever they differ.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "medseg/http/message.h"

namespace medseg {

/// 256 random bits as 64 hexadecimal digits, from the system's generator for secrets.
std::string random_token();

/// The time depends on the lengths alone.
bool same_secret(std::string_view a, std::string_view b);

/// One token a line, `#` begins a comment. The file's tokens are kept as hashes.
class BearerTokens {
 public:
  /// \throws ConfigError naming file and line: no token, or one shorter than 16 characters; where
  /// others than its owner may read the file.
  explicit BearerTokens(const std::filesystem::path& path);
  /// The request's `Authorization: Bearer …` is one of them.
  bool admits(const HttpRequest& request) const;

 private:
  std::vector<std::string> hashes_;
};

struct Session {
  std::string id;    ///< the cookie
  std::string csrf;  ///< what every change must bring as X-CSRF-Token
  std::string user;
};

/// Sessions in memory: a server that starts anew asks everybody to sign in again.
class Sessions {
 public:
  explicit Sessions(double idle_s = 12 * 3600, std::size_t most = 10000);

  Session open(const std::string& user);  ///< drops the oldest where there are too many
  /// The session of the request's cookie; nothing where there is none or it slept too long.
  std::optional<Session> find(const HttpRequest& request);
  void close(const std::string& id);
  /// \throws HttpError 403 unless the request brings the session's token.
  static void check_csrf(const Session& session, const HttpRequest& request);

  /// Value of Set-Cookie: HttpOnly, SameSite=Strict; `secure` for https.
  static std::string cookie(const Session& session, bool secure = false);
  static std::string cookie_of_nobody();

 private:
  struct Entry {
    Session session;
    std::chrono::steady_clock::time_point used;
  };
  double idle_s_;
  std::size_t most_;
  std::mutex mutex_;
  std::map<std::string, Entry> entries_;  ///< by the hash of the id
};

/// A password as `scrypt$N$r$p$salt$hash`, hexadecimal.
std::string hashed_password(std::string_view password);
/// \throws ConfigError where `hashed` has another form.
bool password_fits(std::string_view password, std::string_view hashed);

}  // namespace medseg
