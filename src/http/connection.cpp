#include "connection.h"

#include <algorithm>
#include <cctype>
#include <future>
#include <limits>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

/// A page takes its parts from this server alone and stands in no frame; scripts and styles are
/// files of their own.
constexpr const char* kPagePolicy =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";
constexpr double kLingerS = 2;
constexpr std::size_t kLingerBytes = 4 << 20;

std::chrono::nanoseconds seconds(double s) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(s * 1e9));
}

/// Unlike a path of ours: climbs up, hides a separator, or ends a string early.
bool bad_path(const std::string& path) {
  return path.empty() || path[0] != '/' || path.find('\\') != std::string::npos ||
         path.find('\0') != std::string::npos || path.find("/../") != std::string::npos ||
         path.find("/./") != std::string::npos || path.ends_with("/..") || path.ends_with("/.");
}

template <class Fields>
void set_common(Fields& fields, const HttpReply& reply) {
  if (!reply.content_type.empty()) fields.set(http::field::content_type, reply.content_type);
  fields.set("X-Content-Type-Options", "nosniff");
  fields.set("Referrer-Policy", "no-referrer");
  fields.set(http::field::cache_control, "no-store");
  fields.set("Content-Security-Policy", kPagePolicy);
  for (const auto& [name, value] : reply.headers) {
    // A value from outside must not begin a header of its own.
    if (value.find_first_of("\r\n") == std::string::npos) fields.set(name, value);
  }
}

}  // namespace

/// The handler's end of a streamed reply: each piece is written by the reading thread while the
/// handler waits.
class ReplyStream : public HttpStream {
 public:
  ReplyStream(std::shared_ptr<Connection> connection, bool chunked)
      : connection_(std::move(connection)), chunked_(chunked) {}

  bool write(std::string_view bytes) override {
    if (bytes.empty() || failed_) return !failed_;
    return send(chunked_ ? str_cat(std::hex, bytes.size(), "\r\n", bytes, "\r\n")
                         : std::string(bytes));
  }
  /// The mark that ends a chunked body.
  void end() {
    if (!failed_ && chunked_) send("0\r\n\r\n");
  }
  bool failed() const { return failed_; }
  std::size_t sent() const { return sent_; }

 private:
  bool send(std::string bytes) {
    if (connection_->state_.out_of_patience) failed_ = true;
    if (failed_) return false;
    std::promise<bool> written;
    auto result = written.get_future();
    sent_ += bytes.size();
    asio::post(connection_->stream_.get_executor(), [this, &written, &bytes] {
      auto& stream = connection_->stream_;
      stream.expires_after(seconds(connection_->state_.options.write_s));
      asio::async_write(
          stream, asio::buffer(bytes),
          [&written](const beast::error_code& error, std::size_t) { written.set_value(!error); });
    });
    failed_ = !result.get();
    return !failed_;
  }

  std::shared_ptr<Connection> connection_;
  bool chunked_;
  bool failed_ = false;
  std::size_t sent_ = 0;
};

Connection::Connection(asio::ip::tcp::socket socket, ServerState& state)
    : state_(state), stream_(std::move(socket)) {
  beast::error_code ignored;
  const auto endpoint = stream_.socket().remote_endpoint(ignored);
  if (!ignored) peer_ = endpoint.address().to_string();
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
}

void Connection::read_head() {
  waiting_ = true;
  parser_.emplace();
  parser_->header_limit(static_cast<std::uint32_t>(state_.options.head_bytes));
  parser_->body_limit(std::numeric_limits<std::uint64_t>::max());  // until the route is known
  stream_.expires_after(seconds(state_.options.head_s));
  http::async_read_header(
      stream_, buffer_, *parser_,
      [self = shared_from_this()](Error error, std::size_t) { self->on_head(error); });
}

void Connection::on_head(Error error) {
  waiting_ = false;
  since_.restart();
  if (error) return refuse_error(error);
  const auto& head = parser_->get();
  method_ = std::string(head.method_string());
  head_only_ = method_ == "HEAD";
  if (head_only_) method_ = "GET";
  old_version_ = head.version() < 11;
  keep_alive_ = head.keep_alive();
  const std::string target(head.target());
  const auto path = percent_decoded(std::string_view(target).substr(0, target.find('?')));
  if (!path || bad_path(*path)) return refuse(400, "bad_path", "this is no path of this server");
  path_ = *path;
  if (!good_host(std::string(head[http::field::host])))
    return refuse(421, "wrong_host", "this server has another name");
  const auto limit = state_.router.body_most(method_, path_)
                         .value_or(static_cast<std::size_t>(state_.options.body_bytes));
  const auto length = parser_->content_length();
  if (length && *length > limit) return refuse(413, "too_large", "the body is too large");
  parser_->body_limit(limit);
  if (!beast::iequals(head[http::field::expect], "100-continue")) return read_body();
  auto reply = std::make_shared<http::response<http::empty_body>>(http::status::continue_, 11);
  stream_.expires_after(seconds(state_.options.write_s));
  http::async_write(stream_, *reply, [self = shared_from_this(), reply](Error failed, std::size_t) {
    if (failed) return self->close();
    self->read_body();
  });
}

void Connection::read_body() {
  stream_.expires_after(seconds(state_.options.body_s));
  http::async_read(stream_, buffer_, *parser_,
                   [self = shared_from_this()](Error error, std::size_t) { self->on_body(error); });
}

void Connection::on_body(Error error) {
  if (error) return refuse_error(error);
  auto request = request_of();
  if (!request) return refuse(400, "bad_query", "the query cannot be decoded");
  if (state_.stopping) return refuse(503, "stopping", "the server is stopping");
  if (state_.running >= state_.options.queue) {
    HttpReply busy = error_reply(429, "busy", "too many requests wait");
    busy.headers.emplace_back("Retry-After", "1");
    return send(std::move(busy));
  }
  dispatch(std::move(*request));
}

std::optional<HttpRequest> Connection::request_of() {
  auto message = parser_->release();
  HttpRequest request;
  request.method = method_;
  request.path = path_;
  request.peer = peer_;
  const std::string target(message.target());
  const auto mark = target.find('?');
  auto query = form_fields(mark == std::string::npos ? std::string_view()
                                                     : std::string_view(target).substr(mark + 1));
  if (!query) return std::nullopt;
  request.query = std::move(*query);
  for (const auto& field : message) {
    std::string name(field.name_string());
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    request.headers[name] = std::string(field.value());
  }
  request.body = std::move(message.body());
  return request;
}

bool Connection::good_host(const std::string& host) const {
  if (!state_.loopback) return true;
  if (host.empty()) return true;  // HTTP/1.0; no browser sends none
  std::string name = host;
  if (!name.empty() && name[0] == '[') {
    name = name.substr(1, name.find(']') - 1);
  } else {
    name = name.substr(0, name.rfind(':'));
  }
  const auto& known = state_.options.hosts;
  return is_loopback(name) || std::find(known.begin(), known.end(), name) != known.end();
}

/// What the client did wrong gets a reply; one that left, or took too long, is closed.
void Connection::refuse_error(Error error) {
  const bool of_http =
      error.category() == http::make_error_code(http::error::end_of_stream).category();
  if (!of_http || error == http::error::end_of_stream || error == http::error::partial_message)
    return close();
  if (error == http::error::header_limit)
    return refuse(431, "head_too_large", "the request's head is too large");
  if (error == http::error::body_limit) return refuse(413, "too_large", "the body is too large");
  refuse(400, "malformed", "this is no HTTP request");
}

void Connection::refuse(int status, const std::string& code, const std::string& message) {
  keep_alive_ = false;  // what follows on the line is not known
  linger_ = true;
  send(error_reply(status, code, message));
}

void Connection::dispatch(HttpRequest request) {
  stream_.expires_never();
  ++state_.running;
  asio::post(*state_.handlers, [self = shared_from_this(), request = std::move(request)]() mutable {
    HttpReply reply = self->state_.router.answer(std::move(request));
    --self->state_.running;
    asio::post(self->stream_.get_executor(), [self, reply = std::move(reply)]() mutable {
      if (reply.stream) return self->send_stream(std::move(reply));
      self->send(std::move(reply));
    });
  });
}

void Connection::send(HttpReply reply) {
  auto message = std::make_shared<http::response<http::string_body>>();
  message->version(old_version_ ? 10 : 11);
  message->result(static_cast<unsigned>(reply.status));
  set_common(*message, reply);
  const bool keep = keep_alive_ && !state_.stopping;
  message->keep_alive(keep);
  message->content_length(reply.body.size());
  const std::size_t bytes = reply.body.size();
  if (!head_only_ && reply.status != 304) message->body() = std::move(reply.body);
  stream_.expires_after(seconds(state_.options.write_s));
  http::async_write(stream_, *message,
                    [self = shared_from_this(), message, keep, bytes](Error error, std::size_t) {
                      self->log(static_cast<int>(message->result_int()), bytes);
                      self->finish(keep && !error);
                    });
}

void Connection::send_stream(HttpReply reply) {
  auto head = std::make_shared<http::response<http::empty_body>>();
  head->version(old_version_ ? 10 : 11);
  head->result(static_cast<unsigned>(reply.status));
  set_common(*head, reply);
  const bool keep = keep_alive_ && !old_version_ && !state_.stopping;
  head->keep_alive(keep);
  if (!old_version_) head->chunked(true);
  auto writer = std::make_shared<http::response_serializer<http::empty_body>>(*head);
  stream_.expires_after(seconds(state_.options.write_s));
  http::async_write_header(stream_, *writer,
                           [self = shared_from_this(), head, writer, keep,
                            make = std::move(reply.stream)](Error error, std::size_t) {
                             if (error || self->head_only_) return self->finish(keep && !error);
                             self->stream_.expires_never();
                             ++self->state_.running;
                             asio::post(*self->state_.handlers, [self, head, keep, make] {
                               ReplyStream stream(self, !self->old_version_);
                               bool whole = true;
                               try {
                                 make(stream);
                               } catch (const std::exception& failure) {
                                 whole = false;  // the head is gone: a cut body tells the client
                                 if (self->state_.router.on_failure)
                                   self->state_.router.on_failure(HttpRequest{}, failure.what());
                               }
                               if (whole) stream.end();
                               --self->state_.running;
                               const bool good = whole && !stream.failed();
                               const std::size_t sent = stream.sent();
                               asio::post(self->stream_.get_executor(),
                                          [self, head, keep, good, sent] {
                                            self->log(static_cast<int>(head->result_int()), sent);
                                            self->finish(keep && good);
                                          });
                             });
                           });
}

void Connection::log(int status, std::size_t bytes) {
  if (state_.on_access)
    state_.on_access(
        {peer_, head_only_ ? "HEAD" : method_, path_, status, bytes, since_.seconds()});
}

void Connection::finish(bool keep) {
  if (keep && !state_.stopping) return read_head();
  Error ignored;
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  if (!linger_) return close();
  // Closing now would throw away the reply together with what the client still sends.
  stream_.expires_after(seconds(kLingerS));
  drop_the_rest(kLingerBytes);
}

void Connection::drop_the_rest(std::size_t most) {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(64 * 1024),
                          [self = shared_from_this(), most](Error error, std::size_t count) {
                            if (error || count >= most) return self->close();
                            self->drop_the_rest(most - count);
                          });
}

void Connection::stop() {
  if (waiting_) close();
}

void Connection::close() {
  Error ignored;
  stream_.socket().close(ignored);
  state_.connections.erase(shared_from_this());
}

}  // namespace medseg
