/// \file
/// Which handler answers what. Made before the server starts, then read by all its threads.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "medseg/http/message.h"

namespace medseg {

using HttpHandler = std::function<HttpReply(const HttpRequest&)>;

/// A file that is served from memory.
struct StaticFile {
  std::string content_type;
  std::string bytes;
};

class Router {
 public:
  /// `pattern` is a path whose parts may be "{name}": any one part that is not empty. `body_most`
  /// replaces the server's limit for this route. Handlers run on several threads at once.
  void add(const std::string& method, const std::string& pattern, HttpHandler handler,
           std::optional<std::size_t> body_most = std::nullopt);

  /// Answers GET with the file, its ETag, and 304 where the client has it.
  void add_file(const std::string& path, StaticFile file);

  /// Runs before every handler; a reply ends the request. For checks that all routes need.
  void guard(std::function<std::optional<HttpReply>(const HttpRequest&)> check);

  /// Never throws: an HttpError is its reply, another error of the user's is 400, and anything else
  /// is 500 with a fixed message, after `on_failure` was told what happened.
  HttpReply answer(HttpRequest request) const;

  /// Limit of the body for what was asked; nothing where no route says one.
  std::optional<std::size_t> body_most(const std::string& method, const std::string& path) const;

  /// Is told of errors that no user caused.
  std::function<void(const HttpRequest&, const std::string& what)> on_failure;

 private:
  struct Route {
    std::string method;
    std::vector<std::string> parts;
    HttpHandler handler;
    std::optional<std::size_t> body_most;
  };
  const Route* find(const std::string& method, const std::string& path,
                    std::map<std::string, std::string>* parameters,
                    std::vector<std::string>* allowed) const;

  std::vector<Route> routes_;
  std::vector<std::function<std::optional<HttpReply>(const HttpRequest&)>> guards_;
};

}  // namespace medseg
