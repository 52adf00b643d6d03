/// \file
/// One connection of a client: reads requests one after the other and writes their replies.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "medseg/base/clock.h"
#include "medseg/http/server.h"

namespace medseg {

class Connection;

/// What all connections share. But for the atomic members the reading thread alone uses it.
struct ServerState {
  HttpOptions options;
  Router router;
  std::function<void(const HttpAccess&)> on_access;
  boost::asio::io_context io{1};
  std::unique_ptr<boost::asio::thread_pool> handlers;
  std::set<std::shared_ptr<Connection>> connections;
  std::atomic<std::int64_t> running{0};  ///< requests that wait for a handler or have one
  std::atomic<bool> stopping{false};
  std::atomic<bool> out_of_patience{false};
  bool loopback = true;
};

/// Lives until its socket is closed. Every member runs on the thread of `ServerState::io`.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(boost::asio::ip::tcp::socket socket, ServerState& state);

  void read_head();
  /// Closes it if it waits for a request; one that is being answered closes after its reply.
  void stop();
  void close();

 private:
  friend class ReplyStream;
  using Error = boost::beast::error_code;

  void on_head(Error error);
  void read_body();
  void on_body(Error error);
  void refuse_error(Error error);
  void refuse(int status, const std::string& code, const std::string& message);
  void dispatch(HttpRequest request);
  void send(HttpReply reply);
  void send_stream(HttpReply reply);
  void finish(bool keep);
  void drop_the_rest(std::size_t most);
  void log(int status, std::size_t bytes);
  std::optional<HttpRequest> request_of();
  bool good_host(const std::string& host) const;

  ServerState& state_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::string peer_, method_, path_;
  bool waiting_ = true;  ///< for a request
  bool keep_alive_ = false, head_only_ = false, old_version_ = false, linger_ = false;
  Stopwatch since_;
};

}  // namespace medseg
