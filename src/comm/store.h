/// \file
/// The blackboard where ranks meet: small values by name, seen by all. c10d's TCPStore behind it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace medseg {

/// A socket that listens at `port` (0: any that is free) of the loopback address or, else, of all addresses.
struct Listener {
  int fd = -1;
  std::uint16_t port = 0;
};
/// \throws ConfigError "MASTER_PORT: …" if it is taken.
Listener listen_at(std::uint16_t port, bool loopback);

/// One connection. Calls do not wait for anything but the server, and throw std::exception when that is gone. One thread.
class Store {
 public:
  struct Impl;

  /// Serves at a socket that listens already, as long as this object lives.
  static std::unique_ptr<Store> serve(const Listener& listener, const std::string& prefix);
  /// \throws std::exception if nobody answers in time.
  static std::unique_ptr<Store> join(const std::string& address, std::uint16_t port,
                                     const std::string& prefix, double timeout_s);
  explicit Store(std::unique_ptr<Impl> impl);
  ~Store();

  /// A connection of its own to the same server, for another thread.
  std::unique_ptr<Store> another() const;

  void set(const std::string& key, const std::string& value);
  std::optional<std::string> find(const std::string& key);
  /// Writes unless something stands there; what stands there now.
  std::string set_first(const std::string& key, const std::string& value);
  std::int64_t add(const std::string& key, std::int64_t value);

  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace medseg
