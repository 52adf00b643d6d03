#include "c10d_store.h"

#include <cerrno>
#include <cstring>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

// Seconds that one call may wait for a server that is connected.
constexpr double kCallTimeout = 30.0;

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<std::int64_t>(seconds * 1e3));
}

std::unique_ptr<Store> make(const std::string& address, const std::string& prefix,
                            const c10d::TCPStoreOptions& options) {
  auto impl = std::make_unique<Store::Impl>();
  impl->store = c10::make_intrusive<c10d::TCPStore>(address, options);
  impl->store->setTimeout(milliseconds(kCallTimeout));
  impl->address = address;
  impl->port = options.port;
  impl->prefix = prefix;
  return std::make_unique<Store>(std::move(impl));
}

std::vector<std::uint8_t> bytes(const std::string& text) { return {text.begin(), text.end()}; }

std::string text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

Listener listen_at(std::uint16_t port, bool loopback) {
  Listener listener;
  listener.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  ::setsockopt(listener.fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(loopback ? INADDR_LOOPBACK : INADDR_ANY);
  socklen_t size = sizeof address;
  if (::bind(listener.fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener.fd, 1024) != 0 ||
      ::getsockname(listener.fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    const int error = errno;
    ::close(listener.fd);
    throw ConfigError("MASTER_PORT",
                      str_cat("cannot listen at ", port, ": ", std::strerror(error)));
  }
  listener.port = ntohs(address.sin_port);
  return listener;
}

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

std::unique_ptr<Store> Store::serve(const Listener& listener, const std::string& prefix) {
  c10d::TCPStoreOptions options;
  options.port = listener.port;
  options.isServer = true;
  options.waitWorkers = false;
  options.masterListenFd = listener.fd;
  options.timeout = milliseconds(kCallTimeout);
  return make("127.0.0.1", prefix, options);
}

std::unique_ptr<Store> Store::join(const std::string& address, std::uint16_t port,
                                   const std::string& prefix, double timeout_s) {
  c10d::TCPStoreOptions options;
  options.port = port;
  options.waitWorkers = false;
  options.timeout = milliseconds(timeout_s);
  return make(address, prefix, options);
}

std::unique_ptr<Store> Store::another() const {
  return join(impl_->address, impl_->port, impl_->prefix, kCallTimeout);
}

void Store::set(const std::string& key, const std::string& value) {
  impl_->store->set(impl_->prefix + key, bytes(value));
}

std::optional<std::string> Store::find(const std::string& key) {
  if (!impl_->store->check({impl_->prefix + key})) return std::nullopt;
  return text(impl_->store->get(impl_->prefix + key));
}

std::string Store::set_first(const std::string& key, const std::string& value) {
  return text(impl_->store->compareSet(impl_->prefix + key, bytes(""), bytes(value)));
}

std::int64_t Store::add(const std::string& key, std::int64_t value) {
  return impl_->store->add(impl_->prefix + key, value);
}

}  // namespace medseg
