/// \file
/// A request as a handler sees it, and the reply that it gives.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "medseg/base/error.h"

namespace medseg {

struct HttpRequest {
  std::string method;  ///< "GET", "POST", …; a HEAD arrives as GET
  std::string path;    ///< decoded, without the query; never holds "..", a backslash or NUL
  std::map<std::string, std::string> parameters;  ///< of the route: "{id}"
  std::map<std::string, std::string> query;       ///< decoded; the last of equal names
  std::map<std::string, std::string> headers;     ///< names in lower case
  std::string body;
  std::string peer;  ///< the other side's address, without port

  /// "" where there is none. `name` in lower case.
  std::string header(std::string_view name) const;
  /// A cookie's value; nothing where there is none.
  std::optional<std::string> cookie(std::string_view name) const;
};

/// Where a reply that is made bit by bit goes: server-sent events, tokens as they come.
class HttpStream {
 public:
  virtual ~HttpStream() = default;
  /// Sends `bytes` and waits until the other side took them (back pressure). False once the other
  /// side is gone, too slow, or the server's patience to stop has run out: then end.
  virtual bool write(std::string_view bytes) = 0;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< beside those the server sets
  /// In place of `body`: called on the handler's thread once the head is sent.
  std::function<void(HttpStream&)> stream;
};

/// Thrown by a handler: becomes a reply of this status. `code` is for programs, the reason for
/// people. The server answers `{"error": {"message", "type", "code"}}`, the form of OpenAI.
class HttpError : public Error {
 public:
  static constexpr int kExitCode = 3;
  HttpError(int status, std::string code, std::string reason)
      : Error(kExitCode, "", std::move(reason)), status_(status), code_(std::move(code)) {}
  int status() const noexcept { return status_; }
  const std::string& code() const noexcept { return code_; }

 private:
  int status_;
  std::string code_;
};

HttpReply error_reply(int status, const std::string& code, const std::string& message);

/// One server-sent event. `data` may have several lines; `event` may be "".
std::string server_sent_event(std::string_view data, std::string_view event = "");

/// "a%20b" is "a b", with `plus` also "a+b". Nothing where a percent sign has no two hexadecimal
/// digits behind it.
std::optional<std::string> percent_decoded(std::string_view text, bool plus = false);

/// "a=1&b=2". Nothing where a part cannot be decoded.
std::optional<std::map<std::string, std::string>> form_fields(std::string_view text);

}  // namespace medseg
