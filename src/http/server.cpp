#include "medseg/http/server.h"

#include <algorithm>
#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "connection.h"
#include "medseg/base/str.h"

namespace medseg {

namespace asio = boost::asio;
using asio::ip::tcp;

class HttpServer::Work {
 public:
  Work(const HttpOptions& options, Router router,
       std::function<void(const HttpAccess&)> on_access) {
    state_.options = options;
    state_.router = std::move(router);
    state_.on_access = std::move(on_access);
    state_.loopback = is_loopback(options.host);
    state_.handlers =
        std::make_unique<asio::thread_pool>(static_cast<std::size_t>(options.threads));
    listen();
    accept();
    reader_ = std::thread([this] { state_.io.run(); });
  }
  ~Work() { stop(); }

  int port() const { return port_; }

  void stop() {
    const std::lock_guard lock(stop_mutex_);
    if (!reader_.joinable()) return;
    state_.stopping = true;
    auto drained = drained_.get_future();
    asio::post(state_.io, [this] {
      boost::system::error_code ignored;
      acceptor_.close(ignored);
      const auto all = state_.connections;
      for (const auto& connection : all) connection->stop();
      stopping_since_.restart();
      look_for_the_end();
    });
    drained.wait();
    state_.handlers->join();  // while the reading thread still takes what they write
    open_.reset();
    reader_.join();
  }

 private:
  void listen() {
    const std::string where = str_cat(state_.options.host, ":", state_.options.port);
    boost::system::error_code error;
    auto address = asio::ip::make_address(
        state_.options.host == "localhost" ? "127.0.0.1" : state_.options.host, error);
    if (error) throw ConfigError(where, "no address to listen on; expected one such as 127.0.0.1");
    const tcp::endpoint endpoint(address, static_cast<unsigned short>(state_.options.port));
    acceptor_.open(endpoint.protocol(), error);
    if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_.bind(endpoint, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error) throw ConfigError(where, "cannot listen here: " + error.message());
    port_ = acceptor_.local_endpoint().port();
  }

  void accept() {
    acceptor_.async_accept([this](const boost::system::error_code& error, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (error) {  // out of file descriptors: wait for some to be closed
        pause_.expires_after(std::chrono::milliseconds(100));
        pause_.async_wait([this](const auto&) {
          if (acceptor_.is_open()) accept();
        });
        return;
      }
      const auto open = static_cast<std::int64_t>(state_.connections.size());
      if (open < state_.options.connections) {
        auto connection = std::make_shared<Connection>(std::move(socket), state_);
        state_.connections.insert(connection);
        connection->read_head();
      } else {
        refuse(std::move(socket));
      }
      accept();
    });
  }

  /// A short reply that fits into the socket's buffer.
  static void refuse(tcp::socket socket) {
    static constexpr std::string_view reply =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
        "Connection: close\r\n\r\n";
    boost::system::error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(reply.data(), reply.size()), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  /// Waits until every connection is closed; closes them when patience is over.
  void look_for_the_end() {
    if (stopping_since_.seconds() > state_.options.stop_s) {
      state_.out_of_patience = true;
      const auto all = state_.connections;
      for (const auto& connection : all) connection->close();
    }
    if (state_.connections.empty()) return drained_.set_value();
    pause_.expires_after(std::chrono::milliseconds(10));
    pause_.async_wait([this](const auto&) { look_for_the_end(); });
  }

  ServerState state_;
  tcp::acceptor acceptor_{state_.io};
  asio::steady_timer pause_{state_.io};
  asio::executor_work_guard<asio::io_context::executor_type> open_{state_.io.get_executor()};
  std::thread reader_;
  std::mutex stop_mutex_;
  std::promise<void> drained_;
  Stopwatch stopping_since_;
  int port_ = 0;
};

HttpServer::HttpServer(const HttpOptions& options, Router router,
                       std::function<void(const HttpAccess&)> on_access)
    : work_(std::make_unique<Work>(options, std::move(router), std::move(on_access))) {
  url_host_ = options.host;
}

HttpServer::~HttpServer() = default;

int HttpServer::port() const { return work_->port(); }

std::string HttpServer::url() const {
  const bool six = url_host_.find(':') != std::string::npos;
  return str_cat("http://", six ? "[" : "", url_host_, six ? "]" : "", ":", port());
}

void HttpServer::stop() { work_->stop(); }

bool is_loopback(const std::string& host) {
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto address = asio::ip::make_address(host, error);
  return !error && address.is_loopback();
}

}  // namespace medseg
