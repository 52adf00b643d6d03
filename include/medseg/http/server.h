/// \file
/// One HTTP/1.1 server for the web pages and the API: keep-alive, limits on everything a client may
/// send or hold, streamed replies, and a stop that ends what it began.
///
/// One thread reads and writes all connections; `threads` more run the handlers. A request waits
/// for one of them in a bounded queue. What a client does never throws here: it gets a status or a
/// closed connection.
///   400 malformed, unknown form of path · 404, 405 no route · 408 never sent: a slow client is cut
///   413 body too large · 421 another host's name · 429 queue full · 431 head too large
///   500 a handler failed · 503 stopping, or too many connections
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "medseg/config/fields.h"
#include "medseg/http/router.h"

namespace medseg {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  ///< 0: any free one
  int threads = 4;
  std::int64_t queue = 64;
  std::int64_t connections = 256;
  std::int64_t head_bytes = 16 * 1024;
  std::int64_t body_bytes = 8 * 1024 * 1024;
  double head_s = 15;
  double body_s = 60;
  double write_s = 60;
  double stop_s = 10;
  std::vector<std::string> hosts;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("host", self.host, "address to listen on");
    visit("port", self.port, in_range(0, 65535), "0: any free one");
    visit("threads", self.threads, in_range(1, 256), "that run handlers");
    visit("queue", self.queue, in_range(1, 1e6), "requests that wait or run; more get 429");
    visit("connections", self.connections, in_range(1, 1e6), "open at a time");
    visit("head_bytes", self.head_bytes, in_range(256, 1e7), "of a request's first lines");
    visit("body_bytes", self.body_bytes, in_range(0, 1e12), "where a route says nothing else");
    visit("head_s", self.head_s, in_range(0.01, 3600), "until a request's head is there, idle too");
    visit("body_s", self.body_s, in_range(0.01, 3600), "from head to the end of the body");
    visit("write_s", self.write_s, in_range(0.01, 3600), "for a reply, or one piece of a stream");
    visit("stop_s", self.stop_s, in_range(0, 3600), "patience with requests that run at the stop");
    visit("hosts", self.hosts, "names that a request's Host may have beside those of loopback");
  }
};

/// One line of an access log: no header, query or body.
struct HttpAccess {
  std::string peer, method, path;
  int status = 0;
  std::size_t bytes = 0;  ///< of the reply's body
  double seconds = 0;
};

class HttpServer {
 public:
  /// Listens and answers until it is stopped. Where it listens on a loopback address, a request
  /// whose Host is another name is refused (a page elsewhere cannot reach it by a name of its own).
  /// \throws ConfigError if the address cannot be listened on.
  HttpServer(const HttpOptions& options, Router router,
             std::function<void(const HttpAccess&)> on_access = {});
  ~HttpServer();  ///< stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const;
  std::string url() const;  ///< "http://127.0.0.1:8080"

  /// Takes no more connections, answers what was asked, and returns when that is done or the
  /// patience is over. Safe to call twice and from any thread but a handler's.
  void stop();

 private:
  class Work;
  std::unique_ptr<Work> work_;
  std::string url_host_;
};

/// True for addresses of this machine alone: 127.0.0.0/8, ::1, localhost.
bool is_loopback(const std::string& host);

}  // namespace medseg
