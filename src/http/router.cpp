#include "medseg/http/router.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

std::vector<std::string> parts_of_path(const std::string& path) {
  return split(std::string_view(path).substr(path.starts_with("/") ? 1 : 0), '/');
}

bool is_parameter(const std::string& part) { return part.size() > 2 && part.front() == '{'; }

bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path,
          std::map<std::string, std::string>& parameters) {
  if (pattern.size() != path.size()) return false;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (is_parameter(pattern[i])) {
      if (path[i].empty()) return false;
      parameters[pattern[i].substr(1, pattern[i].size() - 2)] = path[i];
    } else if (pattern[i] != path[i]) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Router::add(const std::string& method, const std::string& pattern, HttpHandler handler,
                 std::optional<std::size_t> body_most) {
  routes_.push_back({method, parts_of_path(pattern), std::move(handler), body_most});
}

void Router::add_file(const std::string& path, StaticFile file) {
  const std::string tag = "\"" + sha256(file.bytes).substr(0, 32) + "\"";
  add("GET", path, [file = std::move(file), tag](const HttpRequest& request) {
    HttpReply reply;
    reply.content_type = file.content_type;
    reply.headers = {{"ETag", tag}, {"Cache-Control", "no-cache"}};
    if (request.header("if-none-match") == tag) {
      reply.status = 304;
    } else {
      reply.body = file.bytes;
    }
    return reply;
  });
}

void Router::guard(std::function<std::optional<HttpReply>(const HttpRequest&)> check) {
  guards_.push_back(std::move(check));
}

const Router::Route* Router::find(const std::string& method, const std::string& path,
                                  std::map<std::string, std::string>* parameters,
                                  std::vector<std::string>* allowed) const {
  const auto parts = parts_of_path(path);
  for (const auto& route : routes_) {
    std::map<std::string, std::string> found;
    if (!fits(route.parts, parts, found)) continue;
    if (route.method == method) {
      if (parameters != nullptr) *parameters = std::move(found);
      return &route;
    }
    if (allowed != nullptr) allowed->push_back(route.method);
  }
  return nullptr;
}

std::optional<std::size_t> Router::body_most(const std::string& method,
                                             const std::string& path) const {
  const Route* route = find(method, path, nullptr, nullptr);
  return route == nullptr ? std::nullopt : route->body_most;
}

HttpReply Router::answer(HttpRequest request) const {
  try {
    for (const auto& guard : guards_) {
      if (auto reply = guard(request)) return std::move(*reply);
    }
    std::vector<std::string> allowed;
    const Route* route = find(request.method, request.path, &request.parameters, &allowed);
    if (route == nullptr) {
      if (allowed.empty()) return error_reply(404, "not_found", "nothing is here");
      std::sort(allowed.begin(), allowed.end());
      allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
      HttpReply reply =
          error_reply(405, "method_not_allowed", "expected " + join(allowed, " or ") + " here");
      reply.headers.emplace_back("Allow", join(allowed, ", "));
      return reply;
    }
    return route->handler(request);
  } catch (const HttpError& error) {
    return error_reply(error.status(), error.code(), error.reason());
  } catch (const Error& error) {
    if (on_failure) on_failure(request, error.what());
    return error_reply(400, "bad_request", error.reason());
  } catch (const std::exception& error) {
    if (on_failure) on_failure(request, error.what());
    return error_reply(500, "internal", "the server failed at this request");
  }
}

}  // namespace medseg
